import { hostname } from 'node:os';
import { Controller } from '@nestjs/common';
import { registryDeadlineMs } from '@sallyport/entrance';
import { serverNames } from '@sallyport/identity';
import { RpcClient, RpcHandler } from '@sallyport/mqtt';
import {
  describeConnectors,
  deviceId,
  issueServerCertificate,
  type ServerCertificateRequest,
} from '@sallyport/protocol';
import { ServiceContext } from '@sallyport/runtime';
import { pemFromDer } from '@sallyport/x509';
import { ServerIssuance } from './server-issuance.js';

/**
 * Issues the certificate that the connector or the CoAP gateway shows to devices. It may hold the names of this machine,
 * those of the settings, and the domains of the connectors as the registry tells them, not as the service does: a
 * service that was taken over gets a certificate for no other name.
 */
@Controller()
export class ServerCertificateResponder {
  constructor(
    private readonly issuance: ServerIssuance,
    private readonly context: ServiceContext,
    private readonly rpc: RpcClient,
  ) {}

  @RpcHandler(issueServerCertificate)
  async issue({ service, request }: ServerCertificateRequest) {
    const { connectors } = await this.rpc.call(describeConnectors, {}, { deadlineMs: registryDeadlineMs });
    const domains = connectors.flatMap(({ settings }) => settings.domains);
    const hosts = serverNames(hostname(), [...this.context.settings.get('pki.hostnames'), ...domains]);
    const chain = await this.issuance.issue({
      name: deviceId.parse(service),
      request: Buffer.from(request, 'base64'),
      permittedHosts: hosts.map(({ value }) => value),
    });
    return { chain: chain.map((der) => pemFromDer('CERTIFICATE', der)) };
  }
}
