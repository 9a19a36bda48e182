import { Controller } from '@nestjs/common';
import { RpcHandler } from '@sallyport/mqtt';
import { readTrustBundle } from '@sallyport/protocol';
import { type Certificate, pemFromDer } from '@sallyport/x509';
import { Hierarchy } from './hierarchy.js';

/** Tells the other services which CAs this site has. */
@Controller()
export class TrustBundleResponder {
  constructor(private readonly hierarchy: Hierarchy) {}

  @RpcHandler(readTrustBundle)
  read() {
    const { version, roots, issuing, retiring } = this.hierarchy.trustBundle;
    const inRole = (role: 'root' | 'issuing') => (certificate: Certificate) => ({
      role,
      pem: pemFromDer('CERTIFICATE', certificate.der),
    });
    return {
      version,
      certificates: [...roots.map(inRole('root')), ...[...issuing, ...retiring].map(inRole('issuing'))],
    };
  }
}
