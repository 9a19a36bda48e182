declare module 'oidc-provider' {
  interface Saved {
    save(): Promise<string>;
  }

  /** What our tests use of it. It comes without types. */
  export class Provider {
    constructor(issuer: string, configuration: object);
    callback(): import('node:http').RequestListener;
    readonly Client: { find(id: string): Promise<object | undefined> };
    readonly Grant: new (
      fields: object,
    ) => Saved & {
      addOIDCScope(scope: string): void;
      addResourceScope(resource: string, scope: string): void;
    };
    readonly AuthorizationCode: new (
      fields: object,
    ) => Saved;
  }
}
