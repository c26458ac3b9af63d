// Package carrier reads roles from the files their users hold: JSON, YAML, the
// output of command lines and APIs, Terraform plans, states and HCL,
// CloudFormation, Kubernetes and ARM. It makes documents with the place of every
// member and decides nothing; which platform a document belongs to is for the
// platforms to say.
//
// What cannot be known offline is named in the document's Unknown with a reason.
// It is never guessed and never left out. README.md lists the files and kinds.
package carrier

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"

	"github.com/trustcheck/trustcheck"
)

// maxFileSize bounds one file. Above [trustcheck.MaxDocumentSize] only a Terraform
// plan or state, a list, and AWS lists of roles are read, one item at a time.
const maxFileSize = 512 << 20

// Kinds of documents that are not named after a resource type. A document whose
// carrier says nothing about it has KindJSON or KindYAML.
const (
	KindJSON            = "json"
	KindYAML            = "yaml"
	KindRego            = "rego"
	KindVaultRead       = "vault.read"
	KindAWSRole         = "aws.role"
	KindAWSProvider     = "aws.oidc_provider"
	KindGoogleProvider  = "gcp.provider"
	KindAzureCredential = "azure.credential"
)

// Read reads the documents of one file. The format follows from the file's name
// and, where that says nothing, from the text.
//
// A part that cannot be read does not stop the rest: documents and an error may
// come together. The error then joins one *trustcheck.ReadError for each thing
// that is wrong.
//
// A Terraform file is taken for a module of one file; [Walk] reads the whole
// directory.
func Read(file string, text []byte) ([]*trustcheck.Document, error) {
	text, err := checkText(file, text)
	if err != nil {
		return nil, err
	}
	r := &reading{source: newSource(file, text)}
	switch formatOf(file, text) {
	case formatHCL:
		return readModule(map[string][]byte{file: text}, nil)
	case formatYAML:
		r.yaml()
	case formatRego:
		r.add(&node{r.place(0), string(text)}, KindRego, stem(file), "")
	default:
		r.json()
	}
	return r.result()
}

type format int

const (
	formatNone format = iota
	formatJSON
	formatYAML
	formatHCL
	formatRego
)

// formatByName returns the format that a file's name promises.
func formatByName(file string) format {
	base := strings.ToLower(filepath.Base(file))
	switch {
	case hasSuffix(base, ".tf", ".tf.json", ".tofu", ".tofu.json"), isVariables(base):
		return formatHCL
	case hasSuffix(base, ".json", ".jsonl", ".ndjson", ".tfstate"):
		return formatJSON
	case hasSuffix(base, ".yaml", ".yml"):
		return formatYAML
	case strings.HasSuffix(base, ".rego"):
		return formatRego
	case strings.HasSuffix(base, ".template"):
		return formatYAML // CloudFormation, where YAML takes JSON in.
	}
	return formatNone
}

func hasSuffix(s string, suffixes ...string) bool {
	for _, suffix := range suffixes {
		if strings.HasSuffix(s, suffix) {
			return true
		}
	}
	return false
}

func formatOf(file string, text []byte) format {
	begins := bytes.TrimLeft(text, " \t\r\n")
	bracket := len(begins) > 0 && (begins[0] == '{' || begins[0] == '[')
	switch format := formatByName(file); {
	case format == formatYAML && bracket && json.Valid(text):
		return formatJSON // JSON in YAML's clothes: the strict reader has the better messages.
	case format != formatNone:
		return format
	case bracket || len(begins) == 0:
		return formatJSON
	}
	return formatYAML
}

// reading gathers what one file holds.
type reading struct {
	*source
	before bool // of a plan, the resources before it is applied
	docs   []*trustcheck.Document
	errs   []error
}

func (r *reading) result() ([]*trustcheck.Document, error) {
	return r.docs, errors.Join(r.errs...)
}

func (r *reading) fail(err error) {
	if err != nil {
		r.errs = append(r.errs, err)
	}
}

// add makes a document of n.
func (r *reading) add(n *node, kind, name, address string, warnings ...string) {
	doc, err := n.document(kind)
	if err != nil {
		r.fail(err)
		return
	}
	doc.Name, doc.Address, doc.Warnings = name, address, warnings
	r.docs = append(r.docs, doc)
}
