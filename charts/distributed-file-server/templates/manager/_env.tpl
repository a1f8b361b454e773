{{/* The manager's flags, as variables. */}}
{{- define "dfs.managerEnv" -}}
{{- $limits := .Values.manager.limits -}}
- name: DFS_HTTP
  value: "[::]:8000"
- name: DFS_GRPC
  value: "[::]:9000"
- name: DFS_OPS
  value: "[::]:8001"
{{ include "dfs.callersEnv" . }}
{{- include "dfs.tlsEnv" . }}
{{ include "dfs.storeEnv" . }}
{{- include "dfs.innerTlsEnv" . }}
- name: DFS_CACHED_FILES
  value: {{ .Values.manager.cachedFiles | int64 | quote }}
- name: DFS_CONSOLE
  value: {{ ne (toString .Values.manager.console) "false" | quote }}
- name: DFS_MOVE_FILES_PER_SECOND
  value: {{ .Values.manager.balance.moveFilesPerSecond | int64 | quote }}
- name: DFS_MOVE_BYTES_PER_SECOND
  value: {{ include "dfs.size" .Values.manager.balance.moveBytesPerSecond | quote }}
- name: DFS_MAX_BODY_BYTES
  value: {{ include "dfs.size" $limits.maxBodyBytes | quote }}
- name: DFS_MAX_HEADER_BYTES
  value: {{ include "dfs.size" $limits.maxHeaderBytes | quote }}
- name: DFS_HEADER_TIMEOUT
  value: {{ $limits.headerTimeout | quote }}
- name: DFS_BODY_IDLE_TIMEOUT
  value: {{ $limits.bodyIdleTimeout | quote }}
- name: DFS_IDLE_TIMEOUT
  value: {{ $limits.idleTimeout | quote }}
- name: DFS_WRITE_IDLE_TIMEOUT
  value: {{ $limits.writeIdleTimeout | quote }}
- name: DFS_MIN_UPLOAD_RATE
  value: {{ include "dfs.size" $limits.minUploadRate | quote }}
- name: DFS_MIN_DOWNLOAD_RATE
  value: {{ include "dfs.size" $limits.minDownloadRate | quote }}
- name: DFS_RATE_GRACE
  value: {{ $limits.rateGrace | quote }}
- name: DFS_CLIENT_SHARE
  value: {{ $limits.clientShare | int64 | quote }}
- name: DFS_CALLER_REQUESTS_PER_SECOND
  value: {{ $limits.callerRequestsPerSecond | int64 | quote }}
- name: DFS_CALLER_BYTES_PER_SECOND
  value: {{ include "dfs.size" $limits.callerBytesPerSecond | quote }}
- name: DFS_MAX_CONNECTIONS
  value: {{ $limits.maxConnections | int64 | quote }}
- name: DFS_MAX_UPLOADS
  value: {{ $limits.maxUploads | int64 | quote }}
- name: DFS_MAX_UPLOAD_BYTES
  value: {{ include "dfs.size" $limits.maxUploadBytes | quote }}
- name: DFS_MAX_DOWNLOADS
  value: {{ $limits.maxDownloads | int64 | quote }}
- name: DFS_MAX_REQUESTS
  value: {{ $limits.maxRequests | int64 | quote }}
- name: DFS_MAX_REQUEST_HEADS
  value: {{ include "dfs.size" $limits.maxRequestHeads | quote }}
- name: DFS_MAX_WAIT
  value: {{ $limits.maxWait | quote }}
{{- end -}}

{{/* A size, as it is written or as a plain number: a large one must not become 1e+09. */}}
{{- define "dfs.size" -}}
{{- if kindIs "string" . -}}{{ . }}{{- else -}}{{ . | int64 }}{{- end -}}
{{- end -}}

{{/* What every command of the manager needs that opens its store. */}}
{{- define "dfs.storeEnv" -}}
- name: DFS_TOKEN_FILE
  value: /etc/dfs/token/token
{{- if eq .Values.store.engine "embedded" }}
- name: DFS_STORE
  value: embedded:/data/store
{{- else }}
- name: DFS_STORE_FILE
  value: /etc/dfs/store/uri
{{- end }}
{{- end -}}
