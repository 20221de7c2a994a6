// Package config reads the configuration: one YAML file, with the environment
// laid over it, into one typed [Config]. [Load] either gives a Config that is
// whole, or [Faults]: everything that is wrong, each with file:line:column, the
// path of the key, the reason and the cure. It opens no socket, and holds no
// opinion on what other rooms check (the strength of secrets, certificates,
// what an allow line could open); those say theirs through [Config.Fault], in
// the same form.
//
// # One reading
//
// The bytes are read once and parsed once, into YAML nodes. Against the shape
// of the structs (types.go, shape.go) the nodes are checked for unknown and
// repeated keys, types and ranges, and turned into values. Viper lays these
// over the defaults and the environment over these; that, and decoding into the
// structs without leniency, is all it is asked for. It never sees the text, so
// that there is no second opinion on what the text says; it watches no file, as
// its watcher ends the process or takes half a file for a whole one; and it
// reads no environment, as it would leave out keys that stand nowhere else.
//
// Aliases, anchors and merge keys are refused: what a line says is to be seen
// in that line. A key without a value is refused too: it is a list whose lines
// somebody commented out, as likely as not.
//
// A value that is bad does not end the reading. The rest is judged, but for what
// depends on that value.
//
// # One source
//
// A field of types.go with its tags and its comment is all there is to a key:
// its default and bounds, its place in the environment, [Config.Effective],
// [Schema] and config.example.yaml come from there or are tested against it.
//
// # Secrets
//
// A [Secret] prints as [redacted]. No fault repeats one: of a value that could
// be a secret in the wrong place only the kind is told. A file that holds one
// must not be readable by everybody, be it the configuration itself.
package config
