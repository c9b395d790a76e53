{{/* What values.schema.json cannot say: values that do not go together. */}}
{{- define "golddiff.validate" -}}
{{- $w := .Values.worker -}}
{{- if and .Values.coordinator.autoscaling.enabled (gt (int .Values.coordinator.autoscaling.minReplicas) (int .Values.coordinator.autoscaling.maxReplicas)) -}}
{{- fail "Expected coordinator.autoscaling.minReplicas of at most maxReplicas" -}}
{{- end -}}
{{- if and .Values.keda.enabled (gt (int .Values.keda.minReplicas) (int .Values.keda.maxReplicas)) -}}
{{- fail "Expected keda.minReplicas of at most keda.maxReplicas" -}}
{{- end -}}
{{- $least := ternary .Values.keda.minReplicas $w.replicas .Values.keda.enabled -}}
{{- if lt (int $least) (int .Values.replicationFactor) -}}
{{- fail (printf "Expected %s of at least replicationFactor (%d) but received %d" (ternary "keda.minReplicas" "worker.replicas" .Values.keda.enabled) (int .Values.replicationFactor) (int $least)) -}}
{{- end -}}
{{- if and .Values.keda.enabled (not .Values.metrics.serviceMonitor.enabled) -}}
{{- fail "Expected metrics.serviceMonitor.enabled beside keda.enabled: KEDA asks Prometheus for a series by the labels that the ServiceMonitor gives it" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (include "golddiff.mtls" .) (not .Values.ingress.host) -}}
{{- fail "Expected ingress.host beside ingress.enabled with mutual TLS: connections are passed through by the name that they ask for" -}}
{{- end -}}
{{- if and (ne .Values.dataset.source "pvc") (gt (include "golddiff.bytes" $w.cache.bytes | int64) (include "golddiff.bytes" $w.cache.size | int64)) -}}
{{- fail (printf "Expected worker.cache.bytes of at most worker.cache.size (%s) but received %s" $w.cache.size $w.cache.bytes) -}}
{{- end -}}
{{- if not $w.deviceMemory -}}
{{- if $w.gpu.enabled -}}
{{- fail "Expected worker.deviceMemory, such as 70Gi, beside worker.gpu.enabled: the memory of the device, less what its steps take" -}}
{{- end -}}
{{- $limit := dig "limits" "memory" "" $w.resources -}}
{{- if not $limit -}}
{{- fail "Expected worker.resources.limits.memory or worker.deviceMemory: a worker takes as many rows as it is told that there is room for" -}}
{{- end -}}
{{- if lt (include "golddiff.bytes" $limit | int64) 2952790016 -}}
{{- fail (printf "Expected at least 2816Mi for worker.resources.limits.memory, of which 2560Mi are for steps and the process, or worker.deviceMemory, but received %s" $limit) -}}
{{- end -}}
{{- end -}}
{{- if and (eq .Values.tls.mode "secrets") (not .Values.tls.secrets.default) -}}
{{- $parts := list "coordinator" "worker" "client" -}}
{{- if include "golddiff.ownNats" . -}}{{- $parts = append $parts "nats" -}}{{- end -}}
{{- range $part := $parts -}}
{{- if not (get $.Values.tls.secrets $part) -}}
{{- fail (printf "Expected tls.secrets.%s or tls.secrets.default with tls.mode secrets" $part) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.dataset.import.enabled (eq .Values.dataset.source "pvc") (not .Values.dataset.pvc.path) -}}
{{- fail "Expected dataset.pvc.path, the folder to import into, beside dataset.import.enabled" -}}
{{- end -}}
{{- if and .Values.nats.auth.tokenSecret.name .Values.nats.auth.credsSecret.name -}}
{{- fail "Expected nats.auth.tokenSecret or nats.auth.credsSecret but received both" -}}
{{- end -}}
{{- if and .Values.nats.auth.credsSecret.name (not .Values.nats.url) -}}
{{- fail "Expected nats.url beside nats.auth.credsSecret: the chart's own NATS knows a token alone" -}}
{{- end -}}
{{- end -}}
