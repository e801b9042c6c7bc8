# The document that Rego policies for Kafka are written for, with the tenant beside it.
package kafka.authz

import future.keywords.if
import future.keywords.in

default allow := false

name := input.requestContext.principal.name

pattern := input.action.resourcePattern

allow if name == "admin-1"

allow if {
	input.requestContext.principal.kind == "device"
	pattern.resourceType == "TOPIC"
	pattern.name == "telemetry"
	input.action.operation in {"WRITE", "DESCRIBE"}
}

allow if {
	name == "service-1"
	pattern.resourceType == "TOPIC"
	startswith(pattern.name, "shown-")
	input.action.operation in {"READ", "DESCRIBE"}
}

allow if {
	input.tenant in {"acme", "globex"}
	pattern.resourceType == "CLUSTER"
	input.action.operation == "IDEMPOTENT_WRITE"
}
