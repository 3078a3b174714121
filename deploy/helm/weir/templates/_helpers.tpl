{{- define "weir.name" -}}
{{- if contains "weir" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-weir" (.Release.Name | trunc 45 | trimSuffix "-") }}{{ end -}}
{{- end }}

{{- define "weir.selector" -}}
app.kubernetes.io/name: weir
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "weir.image" -}}
{{- $i := .Values.image -}}
{{- if $i.digest }}{{ $i.repository }}@{{ $i.digest }}{{ else }}{{ $i.repository }}:{{ $i.tag | default .Chart.AppVersion }}{{ end -}}
{{- end }}

{{- /* Seconds of a duration such as 1m30s. */ -}}
{{- define "weir.seconds" -}}
{{- $unit := dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 -}}
{{- $sum := 0.0 -}}
{{- range regexFindAll "[0-9.]+(ms|s|m|h)" . -1 -}}
{{- $sum = addf $sum (mulf (regexFind "[0-9.]+" . | float64) (get $unit (regexFind "[a-z]+" .))) -}}
{{- end -}}
{{- ceil $sum | int -}}
{{- end }}

{{- /* The workloads that a weir.yaml names: their namespaces, and what scales them. */ -}}
{{- define "weir.workloads" -}}
{{- $c := . -}}
{{- $all := list -}}
{{- range $model := get $c "models" | default list -}}
{{- if kindIs "map" $model -}}
{{- range $deployment := get $model "deployments" | default list -}}
{{- if kindIs "map" $deployment -}}
{{- with get $deployment "kubernetes" -}}
{{- $all = append $all (dict "namespace" (.namespace | default (dig "kubernetes" "namespace" "" $c)) "by" (.scaled_by | default "weir")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $all | toJson -}}
{{- end }}

{{- /* What the chart needs to know of weir.yaml, or why it cannot be used. */ -}}
{{- define "weir.facts" -}}
{{- if not (trim .Values.config) -}}
{{- fail "config is empty: give your weir.yaml with --set-file config=weir.yaml" -}}
{{- end -}}
{{- $c := fromYaml .Values.config -}}
{{- if hasKey $c "Error" -}}
{{- fail (printf "config is not YAML: %s; weir check -c weir.yaml says where" (get $c "Error")) -}}
{{- end -}}
{{- range $key, $value := $c -}}
{{- if not (or (kindIs "map" $value) (kindIs "slice" $value)) -}}
{{- fail (printf "config: %s has no keys below it; weir check -c weir.yaml says where" $key) -}}
{{- end -}}
{{- end -}}
{{- $keda := dig "keda" "listen" "" $c | toString -}}
{{- if not (dig "admin" "token" "" $c) -}}
{{- fail "config has no admin.token, without which Weir does not serve its probes to the cluster: add admin: {token: env:WEIR_ADMIN_TOKEN}" -}}
{{- end -}}
{{- $shared := not (empty (dig "store" "postgres" "" $c)) -}}
{{- if and (gt (int .Values.gateways) 1) (not $shared) -}}
{{- fail (printf "gateways is %d and config has no store.postgres: several gateways need one database; add store: {postgres: env:WEIR_POSTGRES} and the variable under env, or gateways: 1" (int .Values.gateways)) -}}
{{- end -}}
{{- if and (has (regexFind "[0-9]+$" $keda) (list "8080" "8081")) $keda -}}
{{- fail (printf "keda.listen is %s: the ports 8080 and 8081 are those of callers and operators in the chart; take another, such as :9090" $keda) -}}
{{- end -}}
{{- range $name := regexFindAll "env:[A-Za-z_][A-Za-z0-9_]*" (regexReplaceAll "(?m)(^|\\s)#.*$" .Values.config "") -1 | uniq -}}
{{- if not (hasKey $.Values.env (trimPrefix "env:" $name)) -}}
{{- fail (printf "config reads %s, which is not under env: add env: {%s: {secret: NAME, key: KEY}}" $name (trimPrefix "env:" $name)) -}}
{{- end -}}
{{- end -}}
{{- $at := get $c "kubernetes" | default dict -}}
{{- range include "weir.workloads" $c | fromJsonArray -}}
{{- if not (or (not .namespace) $at.kubeconfig (has .namespace $.Values.scale.namespaces)) -}}
{{- fail (printf "config has a workload in namespace %s, where Weir would have no rights: add the namespace to scale.namespaces" .namespace) -}}
{{- end -}}
{{- end -}}
{{- $token := dig "admin" "token" "" $c | toString -}}
shared: {{ $shared }}
token: {{ if hasPrefix "env:" $token }}{{ trimPrefix "env:" $token }}{{ else }}""{{ end }}
drain: {{ include "weir.seconds" (dig "server" "drain_timeout" "30s" $c) }}
lease: {{ dig "kubernetes" "namespace" .Release.Namespace $c }}
leaseName: {{ dig "kubernetes" "lease" "weir" $c | quote }}
keda: {{ regexFind "[0-9]+$" $keda | default 0 }}
tls: {{ hasKey (get $c "server" | default dict) "tls" }}
{{- end }}
