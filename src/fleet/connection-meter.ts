/**
 * What one connection counts while it is served: plain numbers, added to on the way of a request and
 * read from time to time. All of it counts up from the connection's begin.
 */

export class ConnectionMeter {
  requests = 0;
  denials = 0;
  /** Of the first request; null until it came. */
  clientId: string | null = null;
  /** As ApiVersions told them (KIP-511), well-formed; null: it told nothing. */
  softwareName: string | null = null;
  softwareVersion: string | null = null;
  /** The newest push of metrics, wall clock; 0: none. */
  telemetryMs = 0;

  request(clientId: string): void {
    this.requests++;
    this.clientId ??= clientId;
  }

  /** What the client told before the session began. */
  adopt({ softwareName, softwareVersion }: ConnectionMeter): void {
    this.softwareName = softwareName;
    this.softwareVersion = softwareVersion;
  }

  software(name: string, version: string): void {
    this.softwareName = name;
    this.softwareVersion = version;
  }
}
