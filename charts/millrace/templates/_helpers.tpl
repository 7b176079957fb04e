{{- define "millrace.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/*
The name of rights outside of the release's namespace: (list ROOT PART). Releases of one name in two namespaces have
rights of their own: neither part of the name can hold a colon. At most 50 + 1 + 20 + 1 + 63 characters, where
Kubernetes takes 253.
*/}}
{{- define "millrace.wideName" -}}
{{- $root := index . 0 -}}
{{- printf "%s-%s:%s" (include "millrace.name" $root) (index . 1) $root.Release.Namespace -}}
{{- end -}}

{{/* Of operator and brokers. A digest goes before a tag, which then only tells people what it is. */}}
{{- define "millrace.image" -}}
{{- $image := .Values.image -}}
{{- $tag := $image.tag | default (ternary "" .Chart.AppVersion (not (empty $image.digest))) -}}
{{- $image.repository -}}
{{- with $tag }}:{{ . }}{{ end -}}
{{- with $image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{- define "millrace.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (printf "%s-operator" (include "millrace.name" .)) -}}
{{- else -}}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "millrace.selectorLabels" -}}
app.kubernetes.io/name: millrace-operator
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "millrace.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
{{ include "millrace.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* Of all pods that are the chart's own: to pull the image, as whom they run, and where. */}}
{{- define "millrace.pod" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- with .Values.operator.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.operator.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.operator.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Where somebody who follows the notes makes a cluster: in a namespace that is looked after. */}}
{{- define "millrace.exampleNamespace" -}}
{{- $watched := .Values.operator.watchNamespaces -}}
{{- if or (empty $watched) (has .Release.Namespace $watched) -}}
{{- .Release.Namespace -}}
{{- else -}}
{{- first $watched -}}
{{- end -}}
{{- end -}}

{{- define "millrace.bootstrap" -}}
{{- printf "%s-bootstrap.%s.svc:9092" .Values.cluster.name .Release.Namespace -}}
{{- end -}}

{{/* Fails where the release's own cluster, topics or groups would be in a namespace that nobody looks after. */}}
{{- define "millrace.assertWatched" -}}
{{- $watched := .Values.operator.watchNamespaces -}}
{{- if and $watched (not (has .Release.Namespace $watched)) -}}
{{- fail (printf "operator.watchNamespaces leaves out %s, where this release makes its cluster, topics and groups: the operator would never look at them. Add %s to operator.watchNamespaces, or make them in a release of their own" .Release.Namespace .Release.Namespace) -}}
{{- end -}}
{{- end -}}

{{/* What the operator does in the namespaces that it looks after. */}}
{{- define "millrace.rules" -}}
- apiGroups: [millrace.dev]
  resources: [brokerclusters]
  verbs: [get, list, watch]
# Finalizers are patched.
- apiGroups: [millrace.dev]
  resources: [topics, consumergroups]
  verbs: [list, watch, patch]
- apiGroups: [millrace.dev]
  resources: [brokerclusters/status, topics/status, consumergroups/status]
  verbs: [patch]
# To be a child that its cluster waits for, where owner references are checked (OpenShift, for one).
- apiGroups: [millrace.dev]
  resources: [brokerclusters/finalizers]
  verbs: [update]
# A cluster's children, by server-side apply.
- apiGroups: [""]
  resources: [configmaps, serviceaccounts]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
# Brokers are restarted by deleting their pods.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, delete]
# Volumes grow.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [list, watch, patch]
# What is in a namespace that goes does not wait for brokers.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- if (.Values.operator.autoscaling).enabled }}
- apiGroups: [apps]
  resources: [deployments/scale]
  verbs: [get, patch]
{{- end }}
{{- end -}}
