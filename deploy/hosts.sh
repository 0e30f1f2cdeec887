# shellcheck shell=bash disable=SC2154 # conf and print_only are of lib.sh
# hosts.sh - the addresses of an environment: its own domain, and one host for each preview.
#
# The domain is mapped to the service.  A mapping knows no tags, so the hosts of previews come
# from a load balancer: one certificate for *.DOMAIN, and an endpoint that reads the tag out of
# the host's name.  A branch's host is there with its tag; nothing is made for each branch.

make_hosts()
{
    [ -n "${conf[DOMAIN]}" ] || return 0
    if ! $print_only && ! service_is_there; then
        say "the hosts come when there is a service: run this again after the first deployment"
        return 0
    fi
    ensure "${conf[DOMAIN]}" metadata.name beta run domain-mappings list --region="${conf[REGION]}" -- \
        beta run domain-mappings create --service="${conf[SERVICE]}" --domain="${conf[DOMAIN]}" \
        --region="${conf[REGION]}"
    domain_records
    [ "${conf[PREVIEW_HOSTS]}" = false ] || preview_hosts
}

# What the mapping wants to find in the domain's zone: CNAME, or A and AAAA at its top.
domain_records()
{
    local lines type data
    local -A found=()

    if $print_only; then
        record "${conf[DOMAIN]}." CNAME ghs.googlehosted.com.
        return
    fi
    lines=$(look beta run domain-mappings describe --domain="${conf[DOMAIN]}" \
        --region="${conf[REGION]}" --flatten='status.resourceRecords[]' \
        --format="csv[no-heading,separator='|'](status.resourceRecords.type,status.resourceRecords.rrdata)") ||
        exit 1
    while IFS='|' read -r type data; do
        [ -z "$type" ] || found[$type]+=${found[$type]:+,}$data
    done <<<"$lines"
    for type in A AAAA CNAME; do
        [ -z "${found[$type]:-}" ] || record "${conf[DOMAIN]}." "$type" "${found[$type]}"
    done
}

# record NAME TYPE DATA: made in DEPLOY_DNS_ZONE, or said, where the zone is somewhere else.
record()
{
    if [ -z "${conf[DNS_ZONE]}" ]; then
        say "wanted in the DNS: $1 $2 $3"
        return
    fi
    recalled=
    $print_only || recall dns record-sets list --zone="${conf[DNS_ZONE]}" \
        --format="csv[no-heading,separator='|'](name,type)"
    has_line "$recalled" "$1|$2" ||
        change dns record-sets create "$1" --zone="${conf[DNS_ZONE]}" --type="$2" --ttl=300 \
            --rrdatas="$3"
}

preview_hosts()
{
    local name=${conf[SERVICE]}-previews

    preview_certificate "$name"
    ensure "$name" name compute addresses list --global -- \
        compute addresses create "$name" --global --ip-version=IPV4
    ensure "$name" name compute network-endpoint-groups list -- \
        compute network-endpoint-groups create "$name" --region="${conf[REGION]}" \
        --network-endpoint-type=serverless --cloud-run-service="${conf[SERVICE]}" \
        --cloud-run-url-mask="<tag>.${conf[DOMAIN]}"
    ensure "$name" name compute backend-services list --global -- \
        compute backend-services create "$name" --global --load-balancing-scheme=EXTERNAL_MANAGED
    preview_backend "$name"
    ensure "$name" name compute url-maps list --global -- \
        compute url-maps create "$name" --global --default-service="$name"
    ensure "$name" name compute target-https-proxies list --global -- \
        compute target-https-proxies create "$name" --global --url-map="$name" \
        --certificate-map="$name"
    ensure "$name" name compute forwarding-rules list --global -- \
        compute forwarding-rules create "$name" --global --ports=443 \
        --load-balancing-scheme=EXTERNAL_MANAGED --address="$name" --target-https-proxy="$name"
    preview_records "$name"
}

preview_certificate()
{
    ensure "$1" 'name.basename()' certificate-manager dns-authorizations list -- \
        certificate-manager dns-authorizations create "$1" --domain="${conf[DOMAIN]}"
    ensure "$1" 'name.basename()' certificate-manager certificates list -- \
        certificate-manager certificates create "$1" --domains="*.${conf[DOMAIN]}" \
        --dns-authorizations="$1"
    ensure "$1" 'name.basename()' certificate-manager maps list -- \
        certificate-manager maps create "$1"
    ensure "$1" 'name.basename()' certificate-manager maps entries list --map="$1" -- \
        certificate-manager maps entries create "$1" --map="$1" --certificates="$1" \
        --hostname="*.${conf[DOMAIN]}"
}

preview_backend()
{
    local found=''

    $print_only || found=$(look compute backend-services describe "$1" --global \
        --flatten='backends[]' --format='value(backends.group.basename())') || exit 1
    has_line "$found" "$1" ||
        change compute backend-services add-backend "$1" --global --network-endpoint-group="$1" \
            --network-endpoint-group-region="${conf[REGION]}"
}

preview_records()
{
    local address=ADDRESS proof='_acme-challenge|CNAME|TARGET'

    if ! $print_only; then
        address=$(look compute addresses describe "$1" --global --format='value(address)') || exit 1
        proof=$(look certificate-manager dns-authorizations describe "$1" \
            --format="csv[no-heading,separator='|'](dnsResourceRecord.name,dnsResourceRecord.type,dnsResourceRecord.data)") ||
            exit 1
    fi
    record "*.${conf[DOMAIN]}." A "$address"
    record "${proof%%|*}" CNAME "${proof##*|}"
}
