import { createServer, type Server } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { choosePorts, defaultPorts } from './ports.ts';

async function occupy(port: number, host: string): Promise<Server | undefined> {
  const server = createServer();
  const taken = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen({ port, host, exclusive: true }, () => resolve(true));
  });
  if (!taken) return undefined;
  onTestFinished(() => void server.close());
  return server;
}

for (const host of ['127.0.0.1', '0.0.0.0']) {
  test(`a default port that is taken on ${host} is replaced by a free one`, async () => {
    // Should something else already have the port, it is taken all the same.
    await occupy(defaultPorts.edge, host);
    const ports = await choosePorts('default');
    expect(ports.edge).not.toBe(defaultPorts.edge);
    expect(await occupy(ports.edge, '127.0.0.1')).toBeDefined();
  });
}

test('free ports are all different and none is a default one', async () => {
  const ports = Object.values(await choosePorts('free'));
  expect(new Set(ports).size).toBe(ports.length);
  for (const port of Object.values(defaultPorts)) expect(ports).not.toContain(port);
});
