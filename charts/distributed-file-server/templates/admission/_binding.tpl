{{/* Binds a policy to the release's namespaces, of (dict "root" $ "name" "scale"). */}}
{{- define "dfs.policyBinding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ include "dfs.clusterName" .root }}-{{ .name }}
  labels:
    {{- include "dfs.labels" (dict "root" .root "component" "operator") | nindent 4 }}
spec:
  policyName: {{ include "dfs.clusterName" .root }}-{{ .name }}
  validationActions:
    - Deny
  matchResources:
    namespaceSelector:
      matchExpressions:
        - key: kubernetes.io/metadata.name
          operator: In
          values:
            {{- include "dfs.namespaces" .root | fromJsonArray | toYaml | nindent 12 }}
{{- end -}}
