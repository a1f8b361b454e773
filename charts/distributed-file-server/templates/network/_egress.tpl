{{/* Where manager and operator may connect to. An older release's values have none of it. */}}

{{/* Says something where there are rules for what goes out. */}}
{{- define "dfs.egress" -}}
{{- if and .Values.networkPolicy.enabled (ne (toString (.Values.networkPolicy.egress).enabled) "false") -}}yes{{- end -}}
{{- end -}}

{{/* Whether nodes have such rules: true or false. */}}
{{- define "dfs.nodeEgress" -}}
{{- ne (toString (.Values.networkPolicy.egress).nodes) "false" -}}
{{- end -}}

{{/*
DNS, anywhere: a cache on the machine has an address that is no pod's, and OpenShift's
pods listen on 5353.
*/}}
{{- define "dfs.egressDns" -}}
- ports:
    {{- range list 53 5353 }}
    - port: {{ . }}
      protocol: UDP
    - port: {{ . }}
      protocol: TCP
    {{- end }}
{{- end -}}

{{/* TCP ports of a list, as numbers. */}}
{{- define "dfs.egressPorts" -}}
ports:
  {{- range . }}
  - port: {{ . | int }}
    protocol: TCP
  {{- end }}
{{- end -}}

{{/* The API server. No chart knows its address. */}}
{{- define "dfs.egressApiServer" -}}
{{- $server := (.Values.networkPolicy.egress).apiServer | default dict -}}
- {{ include "dfs.egressPorts" ($server.ports | default (list 443 6443 8443 16443)) | indent 2 | trim }}
  {{- with $server.cidrs }}
  to:
    {{- range . }}
    - ipBlock:
        cidr: {{ . | quote }}
    {{- end }}
  {{- end }}
{{- end -}}

{{/* The database. */}}
{{- define "dfs.egressDatabase" -}}
{{- $database := (.Values.networkPolicy.egress).database | default dict -}}
- {{ include "dfs.egressPorts" ($database.ports | default (list 27017)) | indent 2 | trim }}
  {{- with $database.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* What the values add. */}}
{{- define "dfs.egressExtra" -}}
{{- with (.Values.networkPolicy.egress).extra }}
{{- toYaml . }}
{{- end }}
{{- end -}}

{{/* The release's nodes, in every namespace that it serves, as an item of a list of peers. */}}
{{- define "dfs.nodesPeer" -}}
- namespaceSelector:
    matchExpressions:
      - key: kubernetes.io/metadata.name
        operator: In
        values:
          {{- include "dfs.namespaces" . | fromJsonArray | toYaml | nindent 10 }}
  podSelector:
    matchLabels:
      {{- include "dfs.selectorLabels" (dict "root" . "component" "node") | nindent 6 }}
{{- end -}}
