#!/bin/bash
# image.sh - the steps of a build that need docker.
#
#   image.sh cache      fetches what an earlier build has left; that there is nothing is no error
#   image.sh test       builds the stage "test": it fails when a test does
#   image.sh runtime    builds what is deployed
#   image.sh push       pushes it, and what the next build shall find; writes its digest to
#                       .state/image for migrate.sh and deploy.sh
#
# _IMAGE (without a tag), BRANCH_NAME and COMMIT_SHA are Cloud Build's.  The cache is the stage
# "build", with its layers listed inside: the runtime image alone would not know them.
set -euo pipefail

# shellcheck source=deploy/lib.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib.sh"

export DOCKER_BUILDKIT=1
image=${_IMAGE:?is the name of the image, without a tag}
commit=${COMMIT_SHA:?is the commit that is built}
own_cache=$image:cache-$(slug "${BRANCH_NAME:?is its branch}" "${image##*/}")
cache=$image:cache # what was built last: of a branch that has none yet

main()
{
    case ${1:-} in
    cache)
        docker pull "$own_cache" || docker pull "$cache" || say "there is no cache yet"
        ;;
    test)
        stage test "$image:test-$commit"
        ;;
    runtime)
        stage runtime "$image:$commit"
        ;;
    push)
        push
        ;;
    *)
        die "usage: $script cache | test | runtime | push"
        ;;
    esac
}

stage()
{
    docker build --target "$1" --tag "$2" --cache-from "$own_cache" --cache-from "$cache" \
        --build-arg BUILDKIT_INLINE_CACHE=1 --build-arg "COMMIT=${commit:0:12}" \
        --build-arg "BRANCH=$BRANCH_NAME" "$checkout"
}

# The digest names what was pushed, whoever moves the tag later.
push()
{
    local digests digest

    docker push "$image:$commit"
    digests=$(docker inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$image:$commit")
    digest=$(grep -m1 "^$image@sha256:" <<<"$digests") || die "$image:$commit has no digest of $image"
    mkdir -p "$checkout/.state"
    printf '%s\n' "$digest" >"$checkout/.state/image"
    stage build "$own_cache"
    docker tag "$own_cache" "$cache"
    docker push "$own_cache"
    docker push "$cache"
}

main "$@"
