package main

import (
	"encoding/json"
	"os"
	"os/exec"

	"github.com/rogpeppe/go-internal/testscript"
)

// credential makes one under the configuration's issuer key: the answer is in
// credential.json, the username in USERNAME, the password in a file of that name.
func scriptCredential(ts *testscript.TestScript, neg bool, args []string) {
	scriptArgs(ts, !neg && len(args) > 0, "credential CONFIG [ARG...]")
	mint := exec.Command(scriptBedOf(ts).binary, append([]string{"credentials", "mint", "--json", "-c"}, args...)...)
	mint.Dir, mint.Env = ts.MkAbs("."), []string{"PATH=" + ts.Getenv("PATH")} // not the test's own
	out, err := mint.Output()
	ts.Check(err)
	var made mintAnswer
	ts.Check(json.Unmarshal(out, &made))
	ts.Setenv("USERNAME", made.Username)
	ts.Check(os.WriteFile(ts.MkAbs("credential.json"), out, 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("password"), []byte(made.Password+"\n"), 0o600))
}
