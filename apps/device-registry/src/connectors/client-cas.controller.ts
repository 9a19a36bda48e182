import { Body, Controller, Param } from '@nestjs/common';
import { decode } from '@sallyport/client-ca';
import { Actor } from '@sallyport/entrance';
import {
  type ClientCaDescription,
  clientCaPath,
  connectorName,
  connectorRoutes,
  crlUpload,
  type Decoded,
  type IdentityPreview,
  identityPreviewRequest,
  type PossessionChallenge,
  pasted,
  possessionProof,
} from '@sallyport/protocol';
import { Clock, Serves } from '@sallyport/runtime';
import { z } from 'zod';
import { ClientCas } from './client-cas.js';

const connectorPath = z.object({ name: connectorName });
const path = z.object(clientCaPath);

/** Admin API of single Client CAs, and DECODE. */
@Controller()
export class ClientCasController {
  constructor(
    private readonly clientCas: ClientCas,
    private readonly clock: Clock,
  ) {}

  @Serves(connectorRoutes.decode)
  decode(@Body() body: unknown): Decoded {
    return decode(pasted.parse(body), this.clock.now());
  }

  @Serves(connectorRoutes.previewIdentity)
  preview(@Param() params: unknown, @Body() body: unknown, @Actor() actor: string): Promise<IdentityPreview> {
    const { certificate, against } = identityPreviewRequest.parse(body);
    return this.clientCas.preview({ ...connectorPath.parse(params), actor }, certificate, against);
  }

  @Serves(connectorRoutes.showClientCa)
  show(@Param() params: unknown, @Actor() actor: string): Promise<ClientCaDescription> {
    const { name, id } = path.parse(params);
    return this.clientCas.describe({ name, actor }, id);
  }

  @Serves(connectorRoutes.updateCrl)
  async updateCrl(
    @Param() params: unknown,
    @Body() body: unknown,
    @Actor() actor: string,
  ): Promise<ClientCaDescription> {
    const { name, id } = path.parse(params);
    await this.clientCas.updateCrl({ name, actor }, id, crlUpload.parse(body));
    return this.clientCas.describe({ name, actor }, id);
  }

  @Serves(connectorRoutes.challengePossession)
  challenge(@Param() params: unknown, @Actor() actor: string): Promise<PossessionChallenge> {
    const { name, id } = path.parse(params);
    return this.clientCas.challenge({ name, actor }, id);
  }

  @Serves(connectorRoutes.provePossession)
  async prove(@Param() params: unknown, @Body() body: unknown, @Actor() actor: string): Promise<ClientCaDescription> {
    const { name, id } = path.parse(params);
    await this.clientCas.prove({ name, actor }, id, possessionProof.parse(body).certificate);
    return this.clientCas.describe({ name, actor }, id);
  }
}
