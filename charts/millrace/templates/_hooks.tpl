{{/* The annotations of a hook: (list HOOK WEIGHT). */}}
{{- define "millrace.hook" -}}
helm.sh/hook: {{ index . 0 }}
helm.sh/hook-weight: {{ index . 1 | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{/* A Job that runs the operator's binary once, as the ServiceAccount of its name: root, name, hook, arguments. */}}
{{- define "millrace.hookJob" -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels:
    {{- include "millrace.labels" .root | nindent 4 }}
  annotations:
    {{- include "millrace.hook" (list .hook 2) | nindent 4 }}
spec:
  backoffLimit: 0
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {{ .name }}
        app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
    spec:
      restartPolicy: Never
      serviceAccountName: {{ .name }}
      enableServiceLinks: false
      {{- include "millrace.pod" .root | trim | nindent 6 }}
      containers:
        - name: operator
          image: {{ include "millrace.image" .root }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          command: [millrace-operator]
          args:
            {{- range .arguments }}
            - {{ . | quote }}
            {{- end }}
          terminationMessagePolicy: FallbackToLogsOnError
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
          resources:
            {{- toYaml .root.Values.operator.resources | nindent 12 }}
{{- end -}}
