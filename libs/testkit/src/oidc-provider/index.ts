export { OidcProvider, type TokenFlaw } from './oidc-provider.js';
