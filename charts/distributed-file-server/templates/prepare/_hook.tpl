{{/* Hook annotations of what upgrades the CRD, of its weight. */}}
{{- define "dfs.crdHook" -}}
helm.sh/hook: pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
