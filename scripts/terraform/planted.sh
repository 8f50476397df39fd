# A mistake of each kind, each in a copy of its own: whatever check is there for it has to fail, and to
# say what is wrong. Part of check-terraform, which has made the tools ready.

missed=0

# plant WHAT CHECK SAYS FILE EDIT: EDIT is for sed, or `remove`.
plant() {
  local what=$1 check=$2 says=$3 file=$4 edit=$5 said
  copy=$work/planted
  rm -rf "$copy" && mkdir "$copy"
  cp -r "$work/terraform" "$work/sql" scripts "$copy"
  ln -s "$PWD/functions" "$PWD/shared" "$copy"
  if [ "$edit" = remove ]; then
    rm "$copy/$file"
  else
    sed "$edit" "$copy/$file" >"$work/edited"
    ! cmp -s "$work/edited" "$copy/$file" || fail "planted: $what: nothing in $file to be changed"
    # Not by a new file: scripts stay what may be run.
    cat "$work/edited" >"$copy/$file"
  fi
  if said=$($check 2>&1); then
    echo "check-terraform: NOT CAUGHT by ${check//_/ }: $what" >&2
    missed=1
  elif ! grep -qF -- "$says" <<<"$said"; then
    printf '%s\n' "$said" "check-terraform: ${check//_/ } fails for another reason: $what" >&2
    missed=1
  else
    step "caught by ${check//_/ }: $what: $says"
  fi
}

habits() { "$python/bin/python" "$copy/$own/habits.py" "$copy"; }
derive_tables() { "$QUESTLINE_PYTHON/python" "$copy/scripts/derive-tables" --check; }
derive_alerts() { "$python/bin/python" "$copy/scripts/derive-alerts" --check; }
validate() { terraform -chdir="$copy/terraform/gcp" validate -no-color; }
# As JSON: otherwise lines are broken where they are long.
promises() { terraform -chdir="$copy/terraform/$1" test -json -filter="tests/$2.tftest.hcl"; }
log_of_gcp() { promises gcp log; }
log_of_aws() { promises aws log; }
access_of_gcp() { promises gcp access; }
access_of_aws() { promises aws access; }

plant "raw events are kept 8 days" log_of_gcp "Partitions or retentions" \
  terraform/topics.yaml 's/retention_days: 7,/retention_days: 8,/'
plant "32 partitions" log_of_aws "Partitions or retentions" \
  terraform/topics.yaml 's/partitions: 64,/partitions: 32,/'
plant "the dashboard answers everybody" habits "only ingest is public" \
  terraform/gcp/dashboard.tf 's/invokers .*/invokers = { everybody = "allUsers" }/'
plant "a schedule is not tried again" access_of_gcp "no retries" \
  terraform/gcp/process-autoscaler.tf 's/retry_count = 1/retry_count = 0/'
plant "a schedule of AWS is not tried again" access_of_aws "no retries" \
  terraform/aws/ml-trigger.tf 's/maximum_retry_attempts .*/maximum_retry_attempts = 0/'
plant "an alert has no runbook" derive_alerts StaleDays terraform/runbooks/StaleDays.md remove
plant "a connector is told what it does not know" log_of_gcp "something that it does not know" \
  terraform/gcp/archive.tf 's/"file.max.records" /"file.max.record" /'
plant "a column has another type" derive_tables "tables.json" \
  terraform/tables.json 's/"name": "received_at", "type": "TIMESTAMP"/"name": "received_at", "type": "DATETIME"/'
plant "an argument that is not there" validate "Unsupported argument" \
  terraform/gcp/daily-aggregate.tf 's/  attempt_deadline /  attempt_deadlines /'
plant "nobody may write a table" access_of_gcp "nobody who may write it" \
  terraform/tables.json 's/"written_by": "ml-trigger"/"written_by": "nobody"/'
plant "the name of a revision is kept" habits "the name of a revision is kept" \
  terraform/gcp/process.tf 's/instance_splits,/instance_splits, template[0].revision,/'
plant "a bucket is made before storage is switched on" habits "google_storage_bucket.features does not wait" \
  terraform/gcp/daily-aggregate.tf '/google_storage_bucket" "features"/,/^}/{/depends_on/d}'
plant "a variable that no function reads" habits "no function reads QUESTLINE_WAREHOUSES" \
  terraform/gcp/ml-trigger.tf 's/QUESTLINE_WAREHOUSE /QUESTLINE_WAREHOUSES /'

[ $missed = 0 ] || exit 1
