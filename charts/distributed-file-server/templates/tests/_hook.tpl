{{/* Hook annotations of what belongs to `helm test`, of its weight. */}}
{{- define "dfs.testHook" -}}
helm.sh/hook: test
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
