package issuer

import _ "embed"

//go:embed openapi.yaml
var openAPI []byte

// serveOpenAPI answers GET /openapi.yaml, to everybody: it holds nothing of this
// server.
func (s *Server) serveOpenAPI(*call) (any, *refusal) {
	return page{"application/yaml", openAPI}, nil // RFC 9512
}
