{{/* TLS of the inner ports: certificates that the operator or cert-manager makes. */}}

{{/* operator, certManager or none; none in values of a release that knew nothing of it. */}}
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

{{/* Says something where cert-manager makes the certificates. */}}
{{- define "dfs.innerTlsIssued" -}}
{{- if eq (include "dfs.innerTlsMode" .) "certManager" -}}yes{{- end -}}
{{- end -}}

{{/* Says something where nodes have no certificate although managers have one. */}}
{{- define "dfs.innerTlsPlainNodes" -}}
{{- if and (include "dfs.innerTls" .) .Values.tls.inner.plainNodes -}}yes{{- end -}}
{{- end -}}

{{/* The seconds of a time such as 1h30m; parts of a second are left out. */}}
{{- define "dfs.seconds" -}}
{{- $sum := 0 -}}
{{- range $part := regexFindAll "[0-9]+(ms|s|m|h)" . -1 -}}
{{- $number := regexFind "^[0-9]+" $part | int64 -}}
{{- $unit := regexFind "[a-z]+$" $part -}}
{{- $sum = add $sum (mul $number (get (dict "ms" 0 "s" 1 "m" 60 "h" 3600) $unit)) -}}
{{- end -}}
{{- $sum -}}
{{- end -}}

{{/* The Secret with the authorities, which only the operator reads. */}}
{{- define "dfs.authoritySecret" -}}
{{- include "dfs.fullname" . }}-authority
{{- end -}}

{{/*
The Secret with the managers' certificate: each mode has its own, so that managers of
before keep theirs while it changes.
*/}}
{{- define "dfs.managersSecret" -}}
{{- include "dfs.fullname" . }}-manager-{{ include "dfs.innerTlsIssued" . | empty | ternary "certs" "tls" }}
{{- end -}}

{{/* The Secret with the operator's certificate, where cert-manager makes it. */}}
{{- define "dfs.operatorSecret" -}}
{{- include "dfs.fullname" . }}-operator-tls
{{- end -}}

{{/*
The Certificate of a role, manager or operator, with its Secret: dict "root" "role"
"secret". The operator writes the same for each pool.
*/}}
{{- define "dfs.innerCertificate" -}}
{{- $inner := .root.Values.tls.inner -}}
{{- $seconds := include "dfs.seconds" $inner.certificateLife | int64 -}}
apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  name: {{ include "dfs.fullname" .root }}-{{ .role }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "dfs.labels" (dict "root" .root "component" .role) | nindent 4 }}
spec:
  secretName: {{ .secret }}
  issuerRef:
    name: {{ $inner.certManager.issuerRef.name }}
    kind: {{ $inner.certManager.issuerRef.kind }}
    group: {{ $inner.certManager.issuerRef.group }}
  # Who shows it: release, namespace and role.
  uris:
    - spiffe://{{ .root.Release.Name }}.{{ .root.Release.Namespace }}/{{ .role }}
  duration: {{ $seconds }}s
  renewBefore: {{ div $seconds 3 }}s
  privateKey:
    algorithm: ECDSA
    size: 256
    # A new key with each certificate.
    rotationPolicy: Always
  usages:
    - digital signature
    - server auth
    - client auth
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
# The pod waits here until the Secret is made.
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
