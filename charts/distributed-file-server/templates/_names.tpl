{{/* Names and labels, each made in one place. */}}

{{/* The value of app.kubernetes.io/name. */}}
{{- define "dfs.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/*
The prefix of every name. 44 characters at the most: a StatefulSet labels its pods
with its own name and a hash, 63 characters in all. A longer name ends in a hash,
so that two long releases that begin alike still differ; so does one with a dot,
which a Service's name may not have.
*/}}
{{- define "dfs.fullname" -}}
{{- $name := include "dfs.name" . -}}
{{- $full := printf "%s-%s" .Release.Name $name -}}
{{- if .Values.fullnameOverride -}}
{{- $full = .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- $full = .Release.Name -}}
{{- end -}}
{{- $plain := $full | replace "." "-" -}}
{{- if not (regexMatch "^[a-z]" $plain) -}}
{{- $plain = printf "dfs-%s" $plain -}}
{{- end -}}
{{- if or (gt (len $plain) 44) (ne $plain $full) -}}
{{- $plain = printf "%s-%s" ($plain | trunc 35 | trimSuffix "-") ($full | sha256sum | trunc 8) -}}
{{- end -}}
{{- $plain -}}
{{- end -}}

{{/*
The prefix of names outside of the release's namespace. A namespace has no dot, so
that no two of them can be the same.
*/}}
{{- define "dfs.clusterName" -}}
{{- printf "%s.%s" .Release.Namespace (include "dfs.fullname" .) -}}
{{- end -}}

{{/* What status.managedBy of a pool and an annotation of its StatefulSet say: whose it is. */}}
{{- define "dfs.owner" -}}
{{- printf "%s/%s" .Release.Namespace .Release.Name -}}
{{- end -}}

{{/* What selects the pods of a component; never changes between versions. */}}
{{- define "dfs.selectorLabels" -}}
app.kubernetes.io/name: {{ include "dfs.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* The labels of an object: the selector's, the versions', a person's own. */}}
{{- define "dfs.labels" -}}
{{- $own := dict
  "app.kubernetes.io/version" (.root.Chart.AppVersion | toString)
  "app.kubernetes.io/managed-by" .root.Release.Service
  "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") -}}
{{- $selector := include "dfs.selectorLabels" . | fromYaml -}}
{{- toYaml (merge $selector $own (.root.Values.commonLabels | default dict)) -}}
{{- end -}}

{{/* The labels of a pod: without versions, so that an upgrade that changes no image restarts nothing. */}}
{{- define "dfs.podLabels" -}}
{{- $selector := include "dfs.selectorLabels" . | fromYaml -}}
{{- toYaml (merge $selector (.own | default dict) (.root.Values.commonLabels | default dict)) -}}
{{- end -}}

{{/* The release's namespace and the watched ones, each once. */}}
{{- define "dfs.namespaces" -}}
{{- toJson (prepend (.Values.watchNamespaces | default list) .Release.Namespace | uniq) -}}
{{- end -}}

{{/* The Secret with the token of the inner ports. */}}
{{- define "dfs.tokenSecret" -}}
{{- .Values.auth.existingSecret | default (printf "%s-token" (include "dfs.fullname" .)) -}}
{{- end -}}

{{- define "dfs.tokenKey" -}}
{{- if .Values.auth.existingSecret -}}{{ .Values.auth.existingSecretKey }}{{- else -}}token{{- end -}}
{{- end -}}

{{/* The user that the operator is to the API server. */}}
{{- define "dfs.operatorUser" -}}
{{- printf "system:serviceaccount:%s:%s-operator" .Release.Namespace (include "dfs.fullname" .) -}}
{{- end -}}
