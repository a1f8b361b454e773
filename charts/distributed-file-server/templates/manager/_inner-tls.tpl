{{/* TLS of the inner ports: certificates that the operator makes. */}}

{{/* operator or none; none in values of a release that knew nothing of it. */}}
{{- define "dfs.innerTlsMode" -}}
{{- ((.Values.tls).inner).mode | default "none" -}}
{{- end -}}

{{/* Says something where there are certificates. */}}
{{- define "dfs.innerTls" -}}
{{- if ne (include "dfs.innerTlsMode" .) "none" -}}yes{{- end -}}
{{- end -}}

{{/* Says something where nodes without a certificate are let in beside the others. */}}
{{- define "dfs.innerTlsPlain" -}}
{{- if and (include "dfs.innerTls" .) .Values.tls.inner.acceptPlain -}}yes{{- end -}}
{{- end -}}

{{/* The Secret with the authorities, which only the operator reads. */}}
{{- define "dfs.authoritySecret" -}}
{{- include "dfs.fullname" . }}-authority
{{- end -}}

{{/* The Secret with the managers' certificate. */}}
{{- define "dfs.managersSecret" -}}
{{- include "dfs.fullname" . }}-manager-certs
{{- end -}}

{{- define "dfs.innerTlsEnv" -}}
{{- if include "dfs.innerTls" . }}
- name: DFS_CERTS
  value: /etc/dfs/certs
{{- if include "dfs.innerTlsPlain" . }}
- name: DFS_ACCEPT_PLAIN
  value: "true"
{{- end }}
{{- end }}
{{- end -}}

{{- define "dfs.innerTlsMounts" -}}
{{- if include "dfs.innerTls" . }}
- name: certs
  mountPath: /etc/dfs/certs
  readOnly: true
{{- end }}
{{- end -}}

{{- define "dfs.innerTlsVolumes" -}}
{{- if include "dfs.innerTls" . }}
# The pod waits here until the operator has made the Secret.
- name: certs
  secret:
    secretName: {{ include "dfs.managersSecret" . }}
    items:
      - key: tls.crt
        path: tls.crt
      - key: tls.key
        path: tls.key
      - key: ca.crt
        path: ca.crt
{{- end }}
{{- end -}}
