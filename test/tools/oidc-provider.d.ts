/** What the tests use of oidc-provider, which comes without types. */
declare module 'oidc-provider' {
  import type { Server } from 'node:http';

  export default class Provider {
    constructor(issuer: string, configuration: Readonly<Record<string, unknown>>);
    listen(port: number, host: string, listening: () => void): Server;
  }
}
