{{- define "aval.labels" -}}
app.kubernetes.io/name: aval
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}
{{- /* Pods that answer carry a label of their own: the service must find no others. */}}
{{- define "aval.selector" -}}
app.kubernetes.io/name: aval
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: serve
{{- end }}
{{- define "aval.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- define "aval.databaseUrl" -}}
- name: AVAL_DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.database.secretName }}
      key: {{ .Values.database.secretKey }}
{{- if .Values.database.workSecretKey }}
- name: AVAL_WORK_DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.database.secretName }}
      key: {{ .Values.database.workSecretKey }}
{{- end }}
- {name: AVAL_PREPARE, value: {{ .Values.database.prepare | quote }}}
{{- end }}
{{- define "aval.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
