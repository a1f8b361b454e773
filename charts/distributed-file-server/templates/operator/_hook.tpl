{{/* Hook annotations of what runs after the release has changed, of its weight. */}}
{{- define "dfs.unwatchedHook" -}}
helm.sh/hook: post-upgrade,post-rollback
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded,hook-failed
{{- end -}}
