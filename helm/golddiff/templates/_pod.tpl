{{/* (list root component values): what all pods of ours have in common. */}}
{{- define "golddiff.podSpec" -}}
{{- $root := index . 0 -}}
{{- $values := index . 2 -}}
serviceAccountName: {{ include "golddiff.serviceAccountName" $root }}
automountServiceAccountToken: false
# Kubernetes would set variables such as GOLDDIFF_NATS_PORT for Services, among those that are flags.
enableServiceLinks: false
securityContext:
  {{- toYaml $root.Values.podSecurityContext | nindent 2 }}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- $spread := default (dict "enabled" false) $values.spread }}
{{- if or $spread.enabled $values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- if $spread.enabled }}
  - maxSkew: {{ $spread.maxSkew }}
    topologyKey: {{ $spread.topologyKey }}
    whenUnsatisfiable: {{ $spread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "golddiff.selector" (list $root (index . 1)) | nindent 8 }}
  {{- end }}
  {{- with $values.topologySpreadConstraints }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* (list root component values): labels of the pods. */}}
{{- define "golddiff.podLabels" -}}
{{- include "golddiff.labels" . }}
{{- with (index . 2).podLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* root: environment by which a process reaches NATS and proves who it is. */}}
{{- define "golddiff.natsEnv" -}}
- name: GOLDDIFF_NATS
  value: {{ include "golddiff.natsUrl" . | quote }}
- name: GOLDDIFF_CLUSTER_NAME
  value: {{ .Values.clusterName | quote }}
- name: GOLDDIFF_NATS_REPLICAS
  value: {{ include "golddiff.natsCopies" . | quote }}
{{- with include "golddiff.natsTlsFolder" . }}
- name: GOLDDIFF_NATS_TLS_CA
  value: {{ . }}/ca.crt
{{- if $.Values.nats.tlsSecret.clientCertificate }}
- name: GOLDDIFF_NATS_TLS_CERT
  value: {{ . }}/tls.crt
- name: GOLDDIFF_NATS_TLS_KEY
  value: {{ . }}/tls.key
{{- end }}
{{- end }}
{{- if .Values.nats.auth.tokenSecret.name }}
- name: GOLDDIFF_NATS_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ .Values.nats.auth.tokenSecret.name }}
      key: {{ .Values.nats.auth.tokenSecret.key }}
{{- end }}
{{- if .Values.nats.auth.credsSecret.name }}
- name: GOLDDIFF_NATS_CREDS
  value: /etc/golddiff/nats/{{ .Values.nats.auth.credsSecret.key }}
{{- end }}
{{- end -}}

{{/* root: the folder of the certificates for NATS, or nothing. */}}
{{- define "golddiff.natsTlsFolder" -}}
{{- if .Values.nats.url -}}
{{- if .Values.nats.tlsSecret.name }}/etc/golddiff/nats-tls{{ end -}}
{{- else if include "golddiff.mtls" . -}}
/etc/golddiff/tls
{{- end -}}
{{- end -}}

{{/* root: the same as natsEnv as flags of the golddiff command, which takes no variables but for the token. */}}
{{- define "golddiff.natsArgs" -}}
- --nats
- {{ include "golddiff.natsUrl" . | quote }}
- --cluster-name
- {{ .Values.clusterName | quote }}
- --nats-replicas
- {{ include "golddiff.natsCopies" . | quote }}
{{- with include "golddiff.natsTlsFolder" . }}
- --nats-tls-ca
- {{ . }}/ca.crt
{{- if $.Values.nats.tlsSecret.clientCertificate }}
- --nats-tls-cert
- {{ . }}/tls.crt
- --nats-tls-key
- {{ . }}/tls.key
{{- end }}
{{- end }}
{{- if .Values.nats.auth.credsSecret.name }}
- --nats-creds
- /etc/golddiff/nats/{{ .Values.nats.auth.credsSecret.key }}
{{- end }}
{{- end -}}

{{/* root: environment of coordinators and workers alike. */}}
{{- define "golddiff.serviceEnv" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: HOME
  value: /tmp
- name: GOLDDIFF_DATA
  value: {{ include "golddiff.data" . | quote }}
{{- if ne .Values.dataset.source "pvc" }}
- name: GOLDDIFF_DATA_CACHE
  value: /var/cache/golddiff
{{- end }}
{{- if and (eq .Values.dataset.source "http") .Values.dataset.http.tokenSecret.name }}
- name: GOLDDIFF_DATA_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ .Values.dataset.http.tokenSecret.name }}
      key: {{ .Values.dataset.http.tokenSecret.key }}
{{- end }}
{{- if and (eq .Values.dataset.source "http") .Values.dataset.http.caSecret.name }}
- name: NODE_EXTRA_CA_CERTS
  value: /etc/golddiff/data-ca/{{ .Values.dataset.http.caSecret.key }}
{{- end }}
{{ include "golddiff.natsEnv" . }}
- name: GOLDDIFF_METRICS_LISTEN
  value: 0.0.0.0:9464
- name: GOLDDIFF_START_WAIT_MS
  value: {{ mul .Values.startup.waitSeconds 1000 | quote }}
{{- if include "golddiff.mtls" . }}
- name: GOLDDIFF_TLS_CERT
  value: /etc/golddiff/tls/tls.crt
- name: GOLDDIFF_TLS_KEY
  value: /etc/golddiff/tls/tls.key
- name: GOLDDIFF_TLS_CA
  value: /etc/golddiff/tls/ca.crt
{{- else }}
- name: GOLDDIFF_PLAINTEXT
  value: "true"
{{- end }}
{{- if .Values.tracing.otlpEndpoint }}
- name: GOLDDIFF_OTLP_ENDPOINT
  value: {{ .Values.tracing.otlpEndpoint | quote }}
{{- end }}
{{- end -}}

{{/* (list root component): mounts of Secrets and of the data set. */}}
{{- define "golddiff.mounts" -}}
{{- $root := index . 0 -}}
- name: tmp
  mountPath: /tmp
{{- if include "golddiff.mtls" $root }}
- name: tls
  mountPath: /etc/golddiff/tls
  readOnly: true
{{- end }}
{{- if eq (include "golddiff.natsTlsFolder" $root) "/etc/golddiff/nats-tls" }}
- name: nats-tls
  mountPath: /etc/golddiff/nats-tls
  readOnly: true
{{- end }}
{{- if $root.Values.nats.auth.credsSecret.name }}
- name: nats-creds
  mountPath: /etc/golddiff/nats
  readOnly: true
{{- end }}
{{- end -}}

{{- define "golddiff.volumes" -}}
{{- $root := index . 0 -}}
- name: tmp
  emptyDir: {}
{{- if include "golddiff.mtls" $root }}
- name: tls
  secret:
    secretName: {{ include "golddiff.tlsSecret" . }}
    defaultMode: 0440
{{- end }}
{{- if eq (include "golddiff.natsTlsFolder" $root) "/etc/golddiff/nats-tls" }}
- name: nats-tls
  secret:
    secretName: {{ $root.Values.nats.tlsSecret.name }}
    defaultMode: 0440
{{- end }}
{{- if $root.Values.nats.auth.credsSecret.name }}
- name: nats-creds
  secret:
    secretName: {{ $root.Values.nats.auth.credsSecret.name }}
    defaultMode: 0440
{{- end }}
{{- end -}}

{{/* root: mounts of the data set in coordinators and workers. */}}
{{- define "golddiff.dataMounts" -}}
{{- if eq .Values.dataset.source "pvc" }}
- name: data
  mountPath: /data
  readOnly: {{ .Values.dataset.pvc.readOnly }}
{{- else }}
- name: cache
  mountPath: /var/cache/golddiff
{{- end }}
{{- if and (eq .Values.dataset.source "http") .Values.dataset.http.caSecret.name }}
- name: data-ca
  mountPath: /etc/golddiff/data-ca
  readOnly: true
{{- end }}
{{- end -}}

{{- define "golddiff.dataVolumes" -}}
{{- if eq .Values.dataset.source "pvc" }}
- name: data
  persistentVolumeClaim:
    claimName: {{ .Values.dataset.pvc.claimName }}
    readOnly: {{ .Values.dataset.pvc.readOnly }}
{{- end }}
{{- if and (eq .Values.dataset.source "http") .Values.dataset.http.caSecret.name }}
- name: data-ca
  secret:
    secretName: {{ .Values.dataset.http.caSecret.name }}
    defaultMode: 0440
{{- end }}
{{- end -}}

{{/* root: seconds between two probes: a program that asks costs more than a call. */}}
{{- define "golddiff.probePeriod" -}}
{{- ternary 15 5 (eq (include "golddiff.mtls" .) "true") -}}
{{- end -}}

{{/* (list root component port service): how Kubernetes asks for the health of one service: by gRPC itself, or by a program where it needs a certificate for that. */}}
{{- define "golddiff.probe" -}}
{{- $root := index . 0 -}}
{{- if include "golddiff.mtls" $root }}
exec:
  command:
    - golddiff
    - health
    - --endpoint
    - 127.0.0.1:{{ index . 2 }}
    {{- with index . 3 }}
    - --service
    - {{ . }}
    {{- end }}
    - --tls-ca
    - /etc/golddiff/tls/ca.crt
    - --tls-cert
    - /etc/golddiff/tls/tls.crt
    - --tls-key
    - /etc/golddiff/tls/tls.key
    - --tls-server-name
    - {{ include "golddiff.host" (list $root (index . 1)) }}
timeoutSeconds: 10
{{- else }}
grpc:
  port: {{ index . 2 }}
  service: {{ index . 3 | quote }}
timeoutSeconds: 3
{{- end }}
periodSeconds: {{ include "golddiff.probePeriod" $root }}
{{- end -}}
