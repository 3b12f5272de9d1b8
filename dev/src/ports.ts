/**
 * The few TCP ports of the local mesh, all on loopback. The default is taken when it is free, so that bookmarks work; when
 * it is not (a second checkout runs), the system chooses another.
 */
import { createServer } from 'node:net';

export const defaultPorts = { edge: 8080, otlp: 4318, postgres: 5432, web: 5173 } as const;

export type PortName = keyof typeof defaultPorts;
export type Ports = Record<PortName, number>;

/** A port for each name: the default where it is free (or always another, with `free`). No port is given twice. */
export async function choosePorts(choice: 'default' | 'free'): Promise<Ports> {
  const ports: Ports = { ...defaultPorts };
  const used = new Set<number>();
  for (const name of Object.keys(defaultPorts) as PortName[]) {
    const wanted = defaultPorts[name];
    let port = choice === 'default' && (await isFree(wanted)) ? wanted : await freePort();
    while (used.has(port)) port = await freePort();
    used.add(port);
    ports[name] = port;
  }
  return ports;
}

/** Whether nothing listens on the port, on loopback or on all addresses. */
async function isFree(port: number): Promise<boolean> {
  return (await listenBriefly(port)) !== undefined;
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const port = await listenBriefly(0);
  if (port === undefined) throw new Error('the system has no free TCP port on 127.0.0.1');
  return port;
}

async function listenBriefly(port: number): Promise<number | undefined> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(undefined);
      else reject(error);
    });
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      const address = server.address();
      const taken = typeof address === 'object' && address !== null ? address.port : undefined;
      server.close(() => resolve(taken));
    });
  });
}
