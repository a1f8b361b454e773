{{/* Who may call the REST API: the manager's flags, and the files that they name. */}}

{{/* none, tokens or kubernetes. */}}
{{- define "dfs.callersMode" -}}
{{- (.Values.auth.clients).mode | default "none" -}}
{{- end -}}

{{/* The ways as the manager's flag has them. It is never left out: no default may open the API. */}}
{{- define "dfs.callersWays" -}}
{{- $ways := list -}}
{{- if (.Values.auth.clients).existingSecret -}}
{{- $ways = append $ways "tokens:/etc/dfs/clients/tokens" -}}
{{- end -}}
{{- if eq (include "dfs.callersMode" .) "kubernetes" -}}
{{- $ways = append $ways "kubernetes" -}}
{{- end -}}
{{- $ways | default (list "none") | join "," -}}
{{- end -}}

{{/* NAMESPACE=FILES/BYTES, separated by commas. YAML reads large numbers as floats. */}}
{{- define "dfs.namespaceQuotas" -}}
{{- $quotas := list -}}
{{- range $namespace, $quota := (.Values.auth.clients).namespaceQuotas -}}
{{- $quota := $quota | default dict -}}
{{- $bytes := $quota.bytes | default 0 -}}
{{- $bytes = ternary $bytes ($bytes | int64 | toString) (kindIs "string" $bytes) -}}
{{- $quotas = append $quotas (printf "%s=%d/%s" $namespace ($quota.files | default 0 | int64) $bytes) -}}
{{- end -}}
{{- $quotas | join "," -}}
{{- end -}}

{{- define "dfs.callersEnv" -}}
{{- $clients := .Values.auth.clients | default dict -}}
- name: DFS_AUTH
  value: {{ include "dfs.callersWays" . | quote }}
{{- if eq (include "dfs.callersMode" .) "kubernetes" }}
- name: DFS_AUTH_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: DFS_AUTH_AUDIENCE
  value: {{ $clients.audience | quote }}
- name: DFS_AUTH_CACHE_TIME
  value: {{ $clients.cacheTime | quote }}
- name: DFS_AUTH_STALE_TIME
  value: {{ $clients.staleTime | quote }}
{{- with include "dfs.namespaceQuotas" . }}
- name: DFS_NAMESPACE_QUOTAS
  value: {{ . | quote }}
{{- end }}
{{- else if $clients.namespaceQuotas }}
{{- fail "auth.clients.namespaceQuotas: bounds callers that the cluster knows, and auth.clients.mode is not kubernetes" }}
{{- end }}
{{- /* YAML reads on and off as booleans. */}}
{{- $audit := get (dict "true" "on" "false" "off") (toString $clients.audit) | default $clients.audit }}
{{- if has $audit (list "on" "off") }}
- name: DFS_AUDIT
  value: {{ $audit | quote }}
{{- end }}
{{- with $clients.publicUrl }}
- name: DFS_PUBLIC_URL
  value: {{ . | quote }}
{{- end }}
{{- if ($clients.linkKey).existingSecret }}
- name: DFS_LINK_KEY_FILE
  value: /etc/dfs/link-key/key
{{- end }}
{{- end -}}

{{/* Whole folders: a file that is mounted by itself would not change with its Secret. */}}
{{- define "dfs.callersMounts" -}}
{{- $clients := .Values.auth.clients | default dict -}}
{{- if $clients.existingSecret }}
- name: clients
  mountPath: /etc/dfs/clients
  readOnly: true
{{- end }}
{{- if ($clients.linkKey).existingSecret }}
- name: link-key
  mountPath: /etc/dfs/link-key
  readOnly: true
{{- end }}
{{- end -}}

{{- define "dfs.callersVolumes" -}}
{{- $clients := .Values.auth.clients | default dict -}}
{{- if $clients.existingSecret }}
- name: clients
  secret:
    secretName: {{ $clients.existingSecret }}
    items:
      - key: {{ $clients.existingSecretKey }}
        path: tokens
{{- end }}
{{- if ($clients.linkKey).existingSecret }}
- name: link-key
  secret:
    secretName: {{ $clients.linkKey.existingSecret }}
    items:
      - key: {{ $clients.linkKey.existingSecretKey }}
        path: key
{{- end }}
{{- end -}}
