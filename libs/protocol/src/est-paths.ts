/** Where EST is offered (RFC 7030 §3.2.2). */
export const estPath = '/.well-known/est';

/**
 * Where thin-edge.io's `tedge cert renew c8y` looks for EST: at its local Cumulocity proxy, which passes everything below
 * `/c8y` on. Served by the signer too, for a `c8y.proxy.client.host` that points to it.
 */
export const cumulocityEstPath = `/c8y${estPath}` as const;

/**
 * The label that asks for the issuing CAs beside the certificate (`/.well-known/est/chain/simpleenroll`), alone or after
 * the label of a profile and a dot: for clients that keep what an enrolment answers and can only be given an address.
 */
export const estChainLabel = 'chain';

/** The same, for clients that can send a header: `Prefer: certificates=chain` (RFC 7240). */
export const estChainPreference = 'certificates=chain';
