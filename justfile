# The task runner: `just TASK` (https://just.systems). Without just, run the line under the task.

# Everything on this machine, filled by the demo factory; Ctrl-C stops it
dev *OPTIONS:
    scripts/dev {{OPTIONS}}

# All tests, or parts: scripts, rust, api, front, package, e2e
test *PARTS:
    scripts/test {{PARTS}}

# Write anew what tests compare with: OpenAPI document, TypeScript model, snapshots
bless:
    scripts/test bless

# The plugin's zip, tarball and Debian package of lotwise, in dist/; --arch amd64|arm64
package *OPTIONS:
    dist-scripts/package.sh {{OPTIONS}}
