{{/*
The full reference of an image, of (dict "root" $ "name" "manager"). A digest says
more than a tag, so it stands alone where it is given.
*/}}
{{- define "dfs.image" -}}
{{- $image := index .root.Values.images .name -}}
{{- $registry := .root.Values.global.imageRegistry | default $image.registry -}}
{{- $repository := $image.repository -}}
{{- if $registry -}}
{{- $repository = printf "%s/%s" (trimSuffix "/" $registry) $repository -}}
{{- end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository ($image.tag | default .root.Chart.AppVersion | toString) -}}
{{- end -}}
{{- end -}}
