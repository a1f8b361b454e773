{{/* TLS of the REST API: the manager's flags, the files that they name, and what speaks to it. */}}

{{/* none, secret or certManager. */}}
{{- define "dfs.tlsMode" -}}
{{- ((.Values.tls).http).mode | default "none" -}}
{{- end -}}

{{/* The Secret with certificate and key. */}}
{{- define "dfs.tlsSecret" -}}
{{- if eq (include "dfs.tlsMode" .) "secret" -}}
{{- .Values.tls.http.existingSecret -}}
{{- else -}}
{{- include "dfs.fullname" . }}-http-tls
{{- end -}}
{{- end -}}

{{/* The key of its authority there; empty where no file is needed to trust it. */}}
{{- define "dfs.tlsCaKey" -}}
{{- if eq (include "dfs.tlsMode" .) "certManager" -}}ca.crt{{- else -}}{{ .Values.tls.http.caKey }}{{- end -}}
{{- end -}}

{{/* The Secret with the authority of the certificate, and the key in it; empty where no file is needed. */}}
{{- define "dfs.tlsAuthority" -}}
{{- if and (ne (include "dfs.tlsMode" .) "none") (include "dfs.tlsCaKey" .) -}}
{{- include "dfs.tlsSecret" . }}/{{ include "dfs.tlsCaKey" . }}
{{- end -}}
{{- end -}}

{{/* The Secret with the authorities of clients; empty where clients show no certificate. */}}
{{- define "dfs.tlsClientCa" -}}
{{- if ne (include "dfs.tlsMode" .) "none" -}}{{ (.Values.tls.http.clientCa).existingSecret }}{{- end -}}
{{- end -}}

{{/* Says something where there is a port without TLS beside the one with it. */}}
{{- define "dfs.tlsPlain" -}}
{{- if and (ne (include "dfs.tlsMode" .) "none") .Values.tls.http.plain -}}yes{{- end -}}
{{- end -}}

{{/* The names by which the Service is reached, and those of the values, each once. */}}
{{- define "dfs.tlsNames" -}}
{{- $service := printf "%s-manager" (include "dfs.fullname" .) -}}
{{- $inside := printf "%s.%s" $service .Release.Namespace -}}
{{- $own := list $service $inside (printf "%s.svc" $inside) (printf "%s.svc.cluster.local" $inside) "localhost" -}}
{{- toYaml (concat $own (.Values.tls.http.certManager.dnsNames | default list) | uniq) -}}
{{- end -}}

{{/*
The scheme that a pod without a certificate of its own uses, where it needs nothing but
the Secret's authority: https, plain (the port without TLS), http; nothing where it
can't reach the API.
*/}}
{{- define "dfs.tlsWay" -}}
{{- if eq (include "dfs.tlsMode" .) "none" -}}http
{{- else if and (include "dfs.tlsCaKey" .) (not (include "dfs.tlsClientCa" .)) -}}https
{{- else if include "dfs.tlsPlain" . -}}plain
{{- end -}}
{{- end -}}

{{- define "dfs.tlsEnv" -}}
{{- if ne (include "dfs.tlsMode" .) "none" }}
- name: DFS_TLS_CERT
  value: /etc/dfs/http-tls/tls.crt
- name: DFS_TLS_KEY
  value: /etc/dfs/http-tls/tls.key
{{- if include "dfs.tlsClientCa" . }}
- name: DFS_TLS_CLIENT_CA
  value: {{ printf "/etc/dfs/http-client-ca/%s" .Values.tls.http.clientCa.existingSecretKey | quote }}
{{- end }}
{{- if include "dfs.tlsPlain" . }}
- name: DFS_HTTP_PLAIN
  value: "[::]:8080"
{{- end }}
{{- end }}
{{- end -}}

{{/* Whole folders: a file that is mounted by itself would not change with its Secret. */}}
{{- define "dfs.tlsMounts" -}}
{{- if ne (include "dfs.tlsMode" .) "none" }}
- name: http-tls
  mountPath: /etc/dfs/http-tls
  readOnly: true
{{- if include "dfs.tlsClientCa" . }}
- name: http-client-ca
  mountPath: /etc/dfs/http-client-ca
  readOnly: true
{{- end }}
{{- end }}
{{- end -}}

{{- define "dfs.tlsVolumes" -}}
{{- if ne (include "dfs.tlsMode" .) "none" }}
# The pod waits here until the Secret is there.
- name: http-tls
  secret:
    secretName: {{ include "dfs.tlsSecret" . }}
    items:
      - key: tls.crt
        path: tls.crt
      - key: tls.key
        path: tls.key
{{- with include "dfs.tlsClientCa" . }}
- name: http-client-ca
  secret:
    secretName: {{ . }}
    items:
      - key: {{ $.Values.tls.http.clientCa.existingSecretKey }}
        path: {{ $.Values.tls.http.clientCa.existingSecretKey }}
{{- end }}
{{- end }}
{{- end -}}
