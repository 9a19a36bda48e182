declare module 'oidc-provider' {
  /** What our tests use of it. It comes without types. */
  export class Provider {
    constructor(issuer: string, configuration: object);
    callback(): import('node:http').RequestListener;
  }
}
