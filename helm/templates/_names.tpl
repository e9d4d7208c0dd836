{{- define "aval.labels" -}}
app.kubernetes.io/name: aval
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}
{{- define "aval.selector" -}}
app.kubernetes.io/name: aval
app.kubernetes.io/instance: {{ .Release.Name }}
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
{{- end }}
{{- define "aval.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
