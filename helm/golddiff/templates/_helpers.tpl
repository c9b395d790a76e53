{{- define "golddiff.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* First part of every name; short enough for "-coordinator-headless" behind it. */}}
{{- define "golddiff.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "golddiff.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "golddiff.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* (list root component): what selects the pods of a component. */}}
{{- define "golddiff.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "golddiff.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* (list root component): labels of an object. */}}
{{- define "golddiff.labels" -}}
{{- $root := index . 0 -}}
{{ include "golddiff.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/part-of: golddiff
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* (list root component [name]): metadata of an object, with the component's name where none is given. */}}
{{- define "golddiff.metadata" -}}
{{- $root := index . 0 -}}
name: {{ if gt (len .) 2 }}{{ index . 2 }}{{ else }}{{ include "golddiff.fullname" $root }}-{{ index . 1 }}{{ end }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "golddiff.labels" (list $root (index . 1)) | nindent 2 }}
{{- end -}}

{{/* (list root annotations...): all of them, and the common ones, as a block or nothing. */}}
{{- define "golddiff.annotations" -}}
{{- $root := index . 0 -}}
{{- $all := deepCopy $root.Values.commonAnnotations -}}
{{- range rest . }}{{- $all = merge (deepCopy (default dict .)) $all }}{{- end }}
{{- if $all }}
annotations:
  {{- toYaml $all | nindent 2 }}
{{- end }}
{{- end -}}

{{/* (list root repository) */}}
{{- define "golddiff.image" -}}
{{- $root := index . 0 -}}
{{- with $root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- index . 1 }}:{{ default $root.Chart.AppVersion $root.Values.image.tag -}}
{{- end -}}

{{- define "golddiff.natsImage" -}}
{{- with .Values.nats.image -}}
{{- with .registry }}{{ trimSuffix "/" . }}/{{ end -}}{{ .repository }}:{{ .tag }}
{{- end -}}
{{- end -}}

{{- define "golddiff.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "golddiff.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* (list root service): name of a Service in the cluster's DNS. */}}
{{- define "golddiff.host" -}}
{{- $root := index . 0 -}}
{{- printf "%s-%s.%s.svc.%s" (include "golddiff.fullname" $root) (index . 1) $root.Release.Namespace $root.Values.clusterDomain -}}
{{- end -}}

{{/* Bytes of a quantity such as 512Mi, 1.5G or 1024. */}}
{{- define "golddiff.bytes" -}}
{{- $units := dict "" 1 "k" 1000 "K" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- $text := . | toString -}}
{{- $unit := regexFind "[A-Za-z]*$" $text -}}
{{- if not (hasKey $units $unit) -}}{{- fail (printf "Expected a quantity such as 512Mi or 40Gi but received %s" $text) -}}{{- end -}}
{{- mulf (trimSuffix $unit $text | float64) (index $units $unit) | floor | int64 -}}
{{- end -}}

{{/* Whether the chart runs NATS itself: "true" or nothing. */}}
{{- define "golddiff.ownNats" -}}
{{- if not .Values.nats.url }}true{{ end -}}
{{- end -}}

{{- define "golddiff.mtls" -}}
{{- if ne .Values.tls.mode "plaintext" }}true{{ end -}}
{{- end -}}

{{- define "golddiff.natsUrl" -}}
{{- if .Values.nats.url -}}
{{- .Values.nats.url -}}
{{- else -}}
{{- $root := . -}}
{{- $scheme := ternary "tls" "nats" (eq (include "golddiff.mtls" .) "true") -}}
{{- $urls := list -}}
{{- range $i := until (int .Values.nats.replicas) -}}
{{- $urls = append $urls (printf "%s://%s-nats-%d.%s:4222" $scheme (include "golddiff.fullname" $root) $i (include "golddiff.host" (list $root "nats"))) -}}
{{- end -}}
{{- join "," $urls -}}
{{- end -}}
{{- end -}}

{{/* Copies that streams are made with. */}}
{{- define "golddiff.natsCopies" -}}
{{- if .Values.nats.url -}}{{ .Values.nats.copies }}{{- else -}}{{ ternary 3 1 (ge (int .Values.nats.replicas) 3) }}{{- end -}}
{{- end -}}

{{/* What --data says. */}}
{{- define "golddiff.data" -}}
{{- if eq .Values.dataset.source "pvc" -}}
{{- printf "/data/%s" .Values.dataset.pvc.path | trimSuffix "/" -}}
{{- else if eq .Values.dataset.source "http" -}}
{{- .Values.dataset.http.url -}}
{{- else -}}
{{- printf "object-store:%s" .Values.dataset.objectStore.name -}}
{{- end -}}
{{- end -}}

{{/* (list root component): the Secret of its certificate. */}}
{{- define "golddiff.tlsSecret" -}}
{{- $root := index . 0 -}}
{{- if eq $root.Values.tls.mode "certManager" -}}
{{- printf "%s-%s-tls" (include "golddiff.fullname" $root) (index . 1) -}}
{{- else -}}
{{- default $root.Values.tls.secrets.default (get $root.Values.tls.secrets (index . 1)) -}}
{{- end -}}
{{- end -}}

{{/* Bytes of rows that a worker takes: what the limit leaves beside 2 GiB of step state (WORKER_STEP_STATE_BYTES_MAX) and the process itself. */}}
{{- define "golddiff.deviceMemory" -}}
{{- if .Values.worker.deviceMemory -}}
{{- .Values.worker.deviceMemory -}}
{{- else -}}
{{- $limit := include "golddiff.bytes" .Values.worker.resources.limits.memory | int64 -}}
{{- sub $limit 2684354560 -}}
{{- end -}}
{{- end -}}

{{/* Of the Job that imports. What its pods are made of cannot be changed: other pods are another Job, so that an upgrade can have them. */}}
{{- define "golddiff.importName" -}}
{{- printf "%s-import-%s" (include "golddiff.fullname" .) (include "golddiff.importPod" . | sha256sum | trunc 8) -}}
{{- end -}}
