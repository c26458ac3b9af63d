package trustcheck

// Document is one document of a platform as its users hold it: the value, and
// where every member of it stands. Package carrier makes documents from files of
// every kind; ReadDocument makes one from JSON text.
type Document struct {
	// Kind says what the carrier took the document for, for example "json" for
	// a bare document, or a resource type such as "vault_jwt_auth_backend_role",
	// "aws_iam_role", "AWS::IAM::Role". Platforms recognise their documents by
	// Kind and, where that says nothing, by shape.
	Kind string
	// Name is the role's name where the file knows it, Address the place inside
	// a larger document (a Terraform resource address, a CloudFormation id).
	Name    string
	Address string
	File    string
	Line    int
	// Value is nil, bool, json.Number (spelled as in the text), string, []any or
	// map[string]any.
	Value any
	// Positions holds the place of each member by JSON pointer (RFC 6901); ""
	// is the document itself.
	Positions map[string]Position
	// Unknown lists members whose value cannot be known offline, by JSON pointer
	// with the reason; Value holds nil there.
	Unknown map[string]string
	// Warnings are objections that do not prevent reading.
	Warnings []string
}

// Position is a place in a file, counted from 1; columns count bytes.
type Position struct {
	Line   int
	Column int
}

// LineOf returns the line of the member at pointer, or of the nearest member
// around it that has one, or 0.
func (d *Document) LineOf(pointer string) int {
	for {
		if p, ok := d.Positions[pointer]; ok {
			return p.Line
		}
		i := len(pointer) - 1
		for i >= 0 && pointer[i] != '/' {
			i--
		}
		if i < 0 {
			return d.Line
		}
		pointer = pointer[:i]
	}
}
