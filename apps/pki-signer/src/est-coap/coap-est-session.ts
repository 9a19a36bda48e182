import { CoapError, type CoapRequest, type CoapResponse, contentFormats } from '@sallyport/coap-wire';
import { type BasicCredentials, loginOf } from '@sallyport/http';
import { Problem } from '@sallyport/protocol';
import type { Connection } from '@sallyport/tls';
import { encodeCertsOnly, encodeCsrAttributes } from '@sallyport/x509';
import type { Hierarchy } from '../authority/hierarchy.js';
import type { Enrolment } from '../enrolment/enrolment.js';
import type { Renewal } from '../enrolment/renewal.js';
import { issuedCertificates, publishedCertificates } from '../est/est-certificates.js';
import { channelBindingsOf, renewedOn } from '../est/est-credentials.js';
import type { CertificateRecord } from '../inventory/certificate-record.js';
import { type CoapEstRoute, coapRouteOf } from './coap-est-route.js';
import { discovered } from './discovery.js';

export interface CoapEstParts {
  readonly hierarchy: Hierarchy;
  readonly enrolment: Pick<Enrolment, 'enrol'>;
  readonly renewal: Pick<Renewal, 'renew'>;
}

// A device id has 64 bytes, a token about 90.
const longestLoginBytes = 256;

/**
 * One connection of an EST client over CoAP (RFC 9148). The login is of this connection alone: a token in a URI would be
 * seen by proxies and logs.
 */
export class CoapEstSession {
  private login: BasicCredentials | undefined;

  constructor(
    private readonly parts: CoapEstParts,
    private readonly connection: Connection,
  ) {}

  /**
   * @param onRoute called with what the request is for, before it is served
   * @throws Problem, CoapError: what the client is told
   */
  async answer(request: CoapRequest, onRoute: (route: CoapEstRoute) => void): Promise<CoapResponse> {
    const route = coapRouteOf(request);
    onRoute(route);
    switch (route.resource) {
      case 'core':
        return content(route, Buffer.from(discovered(request.query)));
      case 'crts':
        return content(route, this.authorities(route));
      case 'att':
        return content(route, encodeCsrAttributes({ curve: 'P-256', signatureAlgorithm: 'ecdsa-with-SHA256' }));
      case 'authz-info':
        return this.takeLogin(request);
      case 'sen':
        return this.issued(route, await this.enrol(route, request));
      case 'sren':
        return this.issued(route, await this.renew(route, request));
      default:
        return route.resource satisfies never;
    }
  }

  /** Whether the token is right is seen when it is used: it belongs to a request, and wrong ones are counted there. */
  private takeLogin({ contentFormat = contentFormats.text, payload }: CoapRequest): CoapResponse {
    if (contentFormat !== contentFormats.text)
      throw new Problem('unsupported-media-type', 'Send the login as text (Content-Format 0): DEVICE-ID:TOKEN');
    const login = payload.length > longestLoginBytes ? undefined : loginOf(payload.toString('utf8').trim());
    if (login === undefined) throw new Problem('invalid-request', 'The login is not DEVICE-ID:TOKEN.');
    this.login = login;
    return { code: '2.01' };
  }

  private async enrol({ profile }: CoapEstRoute, request: CoapRequest): Promise<CertificateRecord> {
    const incoming = this.incoming(request);
    const { login } = this;
    if (login === undefined)
      throw new Problem('credentials-invalid', 'Send DEVICE-ID:TOKEN to /authz-info on this connection first.');
    const { username: name, password } = login;
    try {
      return await this.parts.enrolment.enrol({
        name,
        password,
        ...incoming,
        ...(profile === undefined ? {} : { profile }),
      });
    } catch (error) {
      const isWrong = error instanceof Problem && error.type === 'credentials-invalid';
      // A newer login may have come meanwhile.
      if (isWrong && this.login === login) this.login = undefined;
      throw error;
    }
  }

  private async renew({ profile }: CoapEstRoute, request: CoapRequest): Promise<CertificateRecord> {
    const incoming = this.incoming(request);
    return this.parts.renewal.renew({
      ...renewedOn(this.connection),
      ...incoming,
      ...(profile === undefined ? {} : { profile }),
    });
  }

  private incoming({ contentFormat, payload }: CoapRequest) {
    if (contentFormat !== contentFormats.pkcs10)
      throw new Problem('unsupported-media-type', 'Send the CSR in DER, with Content-Format 286 (application/pkcs10).');
    const { socket, remoteAddress } = this.connection;
    return { csr: payload, channelBindings: () => channelBindingsOf(socket), remoteAddress };
  }

  /** RFC 9148 §4.3: format 287 holds one certificate. That is the root, from which a client verifies all others. */
  private authorities({ format }: CoapEstRoute): Buffer {
    const { hierarchy } = this.parts;
    if (format === contentFormats.certsOnly) return encodeCertsOnly(publishedCertificates(hierarchy));
    const [root, ...others] = hierarchy.trustBundle.roots;
    if (root !== undefined && others.length === 0) return root.der;
    throw new CoapError('4.06', `This site has ${others.length + 1} roots. Accept 281 to get all.`);
  }

  private issued(route: CoapEstRoute, record: CertificateRecord): CoapResponse {
    const [leaf, ...chain] = issuedCertificates(this.parts.hierarchy, record);
    const certificates = route.isForChain ? [leaf, ...chain] : [leaf];
    const payload = route.format === contentFormats.certsOnly ? encodeCertsOnly(certificates) : leaf;
    return { ...content(route, payload), code: '2.04' };
  }
}

function content({ format }: CoapEstRoute, payload: Buffer): CoapResponse {
  return { code: '2.05', payload, ...(format === undefined ? {} : { contentFormat: format }) };
}
