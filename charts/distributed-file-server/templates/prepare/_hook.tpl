{{/* Hook annotations of what runs before the release changes, of its weight. */}}
{{- define "dfs.prepareHook" -}}
helm.sh/hook: pre-install,pre-upgrade,pre-rollback
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
