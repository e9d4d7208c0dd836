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
{{- /* What `serve` and `work` have in common besides the database. */}}
{{- define "aval.settings" -}}
- {name: AVAL_LOG_LEVEL, value: {{ .Values.logLevel | quote }}}
- {name: AVAL_OPS_HOST, value: "0.0.0.0"}
{{- with .Values.models }}
{{- if .store }}
- {name: AVAL_MODEL_STORE, value: {{ .store | quote }}}
{{- $_ := required "models.keySecretName: with keys of their own pods refuse each other's models" .keySecretName }}
- {name: AVAL_MODEL_KEY_FILE, value: /etc/aval/key.pem}
{{- end }}
{{- end }}
{{- range $name, $value := .Values.settings }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}
{{- define "aval.mounts" -}}
- {name: state, mountPath: /var/lib/aval}
- {name: tmp, mountPath: /tmp} # the figures of several workers, what is trained
{{- if .Values.models.store }}
- {name: model-key, mountPath: /etc/aval, readOnly: true}
{{- end }}
{{- end }}
{{- define "aval.volumes" -}}
- {name: state, emptyDir: {}}
- {name: tmp, emptyDir: {}}
{{- if .Values.models.store }}
- name: model-key
  secret: {secretName: {{ .Values.models.keySecretName }}, defaultMode: 0440}
{{- end }}
{{- end }}
{{- define "aval.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}
