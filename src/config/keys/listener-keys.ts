/** Owns the keys of the listeners: the addresses they bind to and those that clients are told. */
import { optionalText, port, text } from '../config-spec.ts';

/** A host name or an IP address, as it stands in a listener. */
const HOST = /^(?!-)[A-Za-z0-9.:-]{1,253}$/;
const HOST_ALLOWED = 'a host name or an IP address';

export const LISTENER_KEYS = {
  host: text({
    default: '127.0.0.1',
    pattern: HOST,
    allowed: HOST_ALLOWED,
    doc: 'Address that the client listeners bind to; 0.0.0.0 or :: for every interface.',
  }),
  port: port({ default: 9093, doc: 'Port of the mutual-TLS listener; 0 takes a free one.' }),
  'sasl.port': port({
    default: 9094,
    doc: 'Port of the SASL_SSL listener, which is there when sasl.enabled.mechanisms names any; 0 takes a free one.',
  }),
  'advertised.host': optionalText({
    pattern: HOST,
    allowed: HOST_ALLOWED,
    doc: 'Host name that clients are told to connect to; empty means the value of host. Must be set when host is a wildcard address.',
  }),
  'advertised.port': port({
    default: 0,
    doc: 'Port that clients are told to connect to; 0 means the port that is really open.',
  }),
  'sasl.advertised.port': port({
    default: 0,
    doc: 'Port of the SASL_SSL listener that its clients are told to connect to; 0 means the port that is really open.',
  }),
  'admin.host': text({
    default: '127.0.0.1',
    pattern: HOST,
    allowed: HOST_ALLOWED,
    doc: 'Address that the admin listener (HTTPS, for operators only) binds to.',
  }),
  'admin.port': port({ default: 9643, doc: 'Port of the admin listener; 0 takes a free one.' }),
};
