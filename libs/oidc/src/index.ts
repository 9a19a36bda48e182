export { type ProviderDescription, withoutLastSlash } from './discovery.js';
export { GrantRefused, ProviderUnavailable, TokenRefused } from './outcomes.js';
export { type ClientCredentials, type GrantedTokens, type GrantRequest, requestTokens } from './token-endpoint.js';
export { TokenIssuer, type TokenIssuerOptions, type TokenRules } from './token-issuer.js';
