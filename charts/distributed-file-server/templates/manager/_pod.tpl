{{/* The manager's pod, the same for both stores. */}}
{{- define "dfs.managerPod" -}}
{{- $embedded := eq .Values.store.engine "embedded" -}}
{{- $fullname := include "dfs.fullname" . -}}
metadata:
  labels:
    {{- include "dfs.podLabels" (dict "root" . "component" "manager" "own" .Values.manager.podLabels) | nindent 4 }}
  {{- $annotations := deepCopy (.Values.manager.podAnnotations | default dict) }}
  {{- if and (not $embedded) .Values.store.mongodb.uri (not .Values.store.mongodb.existingSecret) }}
  {{- /* Another URL restarts the managers. Too short to tell a password by. */}}
  {{- $_ := set $annotations "fileserver.dev/store" (.Values.store.mongodb.uri | sha256sum | trunc 8) }}
  {{- end }}
  {{- with $annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ $fullname }}-manager
  {{- if eq (include "dfs.callersMode" .) "kubernetes" }}
  # The API server is asked who calls.
  automountServiceAccountToken: true
  {{- else }}
  automountServiceAccountToken: false
  {{- end }}
  # The variables of a Service named dfs-… would look like flags.
  enableServiceLinks: false
  {{- include "dfs.pullSecrets" . | nindent 2 }}
  securityContext:
    {{- include "dfs.podSecurity" . | nindent 4 }}
  terminationGracePeriodSeconds: 330
  {{- include "dfs.scheduling" .Values.manager | nindent 2 }}
  {{- if and (not $embedded) (not .Values.manager.topologySpreadConstraints) }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "dfs.selectorLabels" (dict "root" . "component" "manager") | nindent 10 }}
  {{- end }}
  {{- with (.Values.manager.rebuild).nodes }}
  initContainers:
    # Ends when so many nodes have told what they hold; fails where the store has records already.
    - name: rebuild
      image: {{ include "dfs.image" (dict "root" $ "name" "manager") | quote }}
      imagePullPolicy: {{ $.Values.images.manager.pullPolicy }}
      args:
        - rebuild
      env:
        - name: DFS_NODES
          value: {{ . | int | quote }}
        - name: DFS_GRPC
          value: "[::]:9000"
        {{- include "dfs.storeEnv" $ | nindent 8 }}
        {{- include "dfs.innerTlsEnv" $ | nindent 8 }}
      resources:
        {{- toYaml $.Values.manager.resources | nindent 8 }}
      securityContext:
        {{- include "dfs.containerSecurity" $ | nindent 8 }}
      volumeMounts:
        {{- include "dfs.storeMounts" $ | nindent 8 }}
        {{- include "dfs.innerTlsMounts" $ | nindent 8 }}
        {{- with $.Values.manager.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  {{- end }}
  containers:
    - name: manager
      image: {{ include "dfs.image" (dict "root" . "name" "manager") | quote }}
      imagePullPolicy: {{ .Values.images.manager.pullPolicy }}
      args:
        - serve
      env:
        {{- include "dfs.managerEnv" . | nindent 8 }}
        {{- with .Values.manager.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - name: http
          containerPort: 8000
          protocol: TCP
        {{- if include "dfs.tlsPlain" . }}
        - name: http-plain
          containerPort: 8080
          protocol: TCP
        {{- end }}
        - name: grpc
          containerPort: 9000
          protocol: TCP
        - name: ops
          containerPort: 8001
          protocol: TCP
      # A store may have much to read back: half an hour is allowed.
      startupProbe:
        httpGet:
          path: /livez
          port: ops
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 360
      livenessProbe:
        httpGet:
          path: /livez
          port: ops
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet:
          path: /readyz
          port: ops
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 2
      lifecycle:
        # By then nobody sends new requests here any more.
        preStop:
          sleep:
            seconds: 5
      resources:
        {{- toYaml .Values.manager.resources | nindent 8 }}
      securityContext:
        {{- include "dfs.containerSecurity" . | nindent 8 }}
      volumeMounts:
        {{- include "dfs.storeMounts" . | nindent 8 }}
        {{- include "dfs.innerTlsMounts" . | nindent 8 }}
        {{- include "dfs.callersMounts" . | nindent 8 }}
        {{- include "dfs.tlsMounts" . | nindent 8 }}
        {{- with .Values.manager.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    # The pod waits here until the operator has made the Secret.
    - name: token
      secret:
        secretName: {{ include "dfs.tokenSecret" . }}
        items:
          - key: {{ include "dfs.tokenKey" . }}
            path: token
    {{- include "dfs.innerTlsVolumes" . | nindent 4 }}
    {{- include "dfs.callersVolumes" . | nindent 4 }}
    {{- include "dfs.tlsVolumes" . | nindent 4 }}
    {{- if not $embedded }}
    - name: store
      secret:
        secretName: {{ .Values.store.mongodb.existingSecret | default (printf "%s-store" $fullname) }}
        items:
          - key: {{ if .Values.store.mongodb.existingSecret }}{{ .Values.store.mongodb.existingSecretKey }}{{ else }}uri{{ end }}
            path: uri
    {{- else if .Values.persistence.existingClaim }}
    - name: data
      persistentVolumeClaim:
        claimName: {{ .Values.persistence.existingClaim }}
    {{- end }}
    {{- with .Values.manager.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* Where a manager finds the token and the store. */}}
{{- define "dfs.storeMounts" -}}
- name: token
  mountPath: /etc/dfs/token
  readOnly: true
{{- if eq .Values.store.engine "embedded" }}
- name: data
  mountPath: /data
{{- else }}
- name: store
  mountPath: /etc/dfs/store
  readOnly: true
{{- end }}
{{- end -}}
