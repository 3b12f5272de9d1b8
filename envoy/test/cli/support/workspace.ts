/** A repository of a stranger in a temporary folder: the example protos, buf's two files and one topology; and `weft` run in it. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeThirdPartyProtos } from '../../../../dev/src/third-party-protos.ts';
import { commands } from '../../../src/cli/commands.ts';
import { dispatch } from '../../../src/cli/dispatch.ts';
import { testFolder } from '../../support/compile.ts';

const options = fileURLToPath(new URL('../../../../proto/weft/mesh', import.meta.url));

const bufGen = `version: v2
inputs:
  - directory: proto
plugins:
  - local: protoc-gen-es
    out: gen/es
  - local: protoc-gen-envoy
    out: gen
    strategy: all
    opt:
      - source_root=proto
      - topologies=topologies
`;
const bufYaml = `version: v2
modules:
  - path: proto
  - path: vendored
`;
/** A workload that calls nobody yet. */
const lobby = `syntax = "proto3";

package acme.lobby.v1;

import "weft/mesh/v1/options.proto";

service LobbyService {
  option (weft.mesh.v1.service) = {workload: "lobby"};

  rpc Enter(EnterRequest) returns (EnterResponse) {
    option (weft.mesh.v1.method) = {
      deadline: {seconds: 5}
      exposure: EXPOSURE_INTERNAL
    };
  }
}

message EnterRequest {}

message EnterResponse {}
`;

export interface Answer {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class Repository {
  readonly folder = mkdtempSync(join(tmpdir(), 'weft-cli-'));

  /** What is imported from elsewhere stands in \`vendored\`, which no commit holds. */
  constructor() {
    cpSync(join(testFolder, 'protos'), join(this.folder, 'proto'), { recursive: true });
    cpSync(options, join(this.folder, 'vendored/weft/mesh'), { recursive: true });
    writeThirdPartyProtos(join(this.folder, 'vendored'));
    this.write('proto/acme/lobby/v1/lobby_service.proto', lobby);
    this.write('buf.yaml', bufYaml);
    this.write('buf.gen.yaml', bufGen);
    this.write('.gitignore', 'vendored/\n');
    const topology = readFileSync(join(testFolder, 'topologies/test.yaml'), 'utf8');
    this.write('topologies/local.yaml', topology);
    this.write(
      'topologies/tight.yaml',
      `${topology}\ntighten:\n  acme.shelf.v1.ShelfService/LendBook: {deadline_ms: 500}\n`,
    );
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.folder, path)), { recursive: true });
    writeFileSync(join(this.folder, path), text);
  }

  read(path: string): string {
    return readFileSync(join(this.folder, path), 'utf8');
  }

  /** Replaces text that stands in the file once. */
  edit(path: string, from: string, to: string): void {
    const text = this.read(path);
    if (text.split(from).length !== 2) throw new Error(`${path} does not hold this once: ${from}`);
    this.write(path, text.replace(from, to));
  }

  /** Runs `weft` here. */
  async weft(...argv: string[]): Promise<Answer> {
    return this.weftWith('', ...argv);
  }

  /** The same with something on standard input. */
  async weftWith(input: string, ...argv: string[]): Promise<Answer> {
    let stdout = '';
    let stderr = '';
    const status = await dispatch(commands, argv, {
      folder: this.folder,
      colours: false,
      out: (text) => {
        stdout += text;
      },
      error: (text) => {
        stderr += text;
      },
      input: async () => input,
    });
    return { status, stdout, stderr };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
