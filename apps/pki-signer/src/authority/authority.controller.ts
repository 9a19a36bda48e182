import type { IncomingMessage } from 'node:http';
import { Body, Controller, Headers, Req, Res } from '@nestjs/common';
import { AuditLog } from '@sallyport/audit';
import { Actor } from '@sallyport/entrance';
import { ServerCertificate } from '@sallyport/identity';
import {
  type AuthorityExportResponse,
  type AuthorityProofResponse,
  authorityExport,
  authorityImport,
  authorityProof,
  type HierarchyDescription,
  Problem,
  rotationRequest,
  signerRoutes,
  type TrustBundle,
} from '@sallyport/protocol';
import { Serves } from '@sallyport/runtime';
import { peerOf } from '@sallyport/tls';
import { Inventory } from '../inventory/inventory.js';
import { KeyStore } from '../signing-key/signing-key.js';
import { exportAuthority } from './authority-export.js';
import { AuthorityImporter } from './authority-import.js';
import { proveAuthority } from './authority-proof.js';
import { describeHierarchy, describeTrustBundle } from './describe-hierarchy.js';
import { Hierarchy } from './hierarchy.js';
import { Rotation } from './rotation.js';

/** What a handler needs of the HTTP reply. */
interface Reply {
  header(name: string, value: string): unknown;
  status(code: number): unknown;
}

/** The CA hierarchy. */
@Controller()
export class AuthorityController {
  constructor(
    private readonly hierarchy: Hierarchy,
    private readonly rotation: Rotation,
    private readonly importer: AuthorityImporter,
    private readonly inventory: Inventory,
    private readonly keys: KeyStore,
    private readonly audit: AuditLog,
    private readonly serverCertificate: ServerCertificate,
  ) {}

  @Serves(signerRoutes.showHierarchy)
  show(): Promise<HierarchyDescription> {
    return this.describe();
  }

  @Serves(signerRoutes.rotateAuthority)
  async rotate(@Body() body: unknown, @Actor() actor: string): Promise<HierarchyDescription> {
    await this.rotation.rotate(rotationRequest.parse(body), actor);
    await this.showNewRoot();
    return this.describe();
  }

  @Serves(signerRoutes.importAuthority)
  async import(@Body() body: unknown, @Actor() actor: string): Promise<HierarchyDescription> {
    await this.importer.import(authorityImport.parse(body), actor);
    await this.showNewRoot();
    return this.describe();
  }

  @Serves(signerRoutes.exportAuthority)
  async export(
    @Body() body: unknown,
    @Actor() actor: string,
    @Req() request: { readonly raw: IncomingMessage },
  ): Promise<AuthorityExportResponse> {
    const { hierarchy, keys, audit } = this;
    const order = authorityExport.parse(body);
    if (order.passphrase !== undefined) requireLocal(request.raw);
    return exportAuthority({ hierarchy, keys, audit }, order, actor);
  }

  @Serves(signerRoutes.proveAuthority)
  async prove(@Body() body: unknown, @Actor() actor: string): Promise<AuthorityProofResponse> {
    const { hierarchy, keys, audit } = this;
    return proveAuthority({ hierarchy, keys, audit }, authorityProof.parse(body), actor);
  }

  @Serves(signerRoutes.showTrustBundle)
  trustBundle(
    @Headers('if-none-match') known: string | undefined,
    @Res({ passthrough: true }) reply: Reply,
  ): TrustBundle | undefined {
    const etag = `"${this.hierarchy.trustBundle.digest}"`;
    reply.header('etag', etag);
    reply.header('cache-control', 'no-cache');
    if (known !== etag) return describeTrustBundle(this.hierarchy);
    reply.status(304);
    return undefined;
  }

  /**
   * From now on tokens name the new root, so EST must show a certificate below it. If that fails, it is tried again and
   * logged with the rest of the upkeep; the CAs have changed nevertheless.
   */
  private async showNewRoot(): Promise<void> {
    await Promise.allSettled([this.serverCertificate.renewIfDue()]);
  }

  private describe(): Promise<HierarchyDescription> {
    return describeHierarchy(this.hierarchy, this.inventory);
  }
}

/** The certificate of an administrator may be stolen far from here; the key of a CA must not follow it. */
function requireLocal(request: IncomingMessage): void {
  if (peerOf(request) === undefined) return;
  const detail = 'The key of a CA does not leave over the network. Run the command on the machine of the signer.';
  throw new Problem('forbidden', detail);
}
