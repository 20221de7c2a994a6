// Package config reads the configuration: one YAML file with the environment
// laid over it, and files of policy lines beside it, into one typed [Config].
// [Load] either gives a Config that is whole, or [Faults]: everything that is
// wrong, each with file:line:column, the path of the key, the reason and the
// cure. It opens no socket, and holds no opinion on what other rooms check (the
// strength of secrets, certificates, what an allow line could open); those say
// theirs through [Config.Fault] and [Line.Fault], in the same form.
//
// # One reading
//
// The bytes are read once and parsed once, into YAML nodes. Against the shape
// of the structs (types*.go, shape.go) the nodes are checked for unknown and
// repeated keys, types and ranges, and turned into values. Viper lays these
// over the defaults and the environment over these; that, and decoding into the
// structs without leniency, is all it is asked for. It never sees the text, so
// that there is no second opinion on what the text says; its own watcher is
// never used, as that ends the process or takes half a file for a whole one; and
// it reads no environment, as it would leave out keys that stand nowhere else.
//
// Aliases, anchors and merge keys are refused: what a line says is to be seen
// in that line. A key without a value is refused too: it is a list whose lines
// somebody commented out, as likely as not.
//
// A value that is bad does not end the reading. The rest is judged, but for what
// depends on that value.
//
// # Policy files
//
// The files of the policy's folder are read by the same rules into the same
// shapes, each with places of its own, and never pass through viper. What makes
// a policy say less than somebody meant is refused: half a file, a file without a
// line, and with [Options].InForce a list that had lines and has none. A line
// that expired stays in the Config; who makes a policy of it leaves it out, and
// makes the next at [Policy.NextExpiry].
//
// [Watch] compares contents, never events: a notice or a look only tells when to
// read, and a file is read once it stands still.
//
// # One source
//
// A field of types*.go with its tags and its comment is all there is to a key:
// its default and bounds, its place in the environment, [Config.Effective],
// [Schema] and config.example.yaml come from there or are tested against it.
//
// # Secrets
//
// A [Secret] prints as [redacted]. No fault repeats one: of a value that could
// be a secret in the wrong place only the kind is told. A file that holds one
// must not be readable by everybody, be it the configuration itself.
package config
