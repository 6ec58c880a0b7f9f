// Build: ES modules, one a library, and one UMD file for a script tag, all of it ES5 (TypeScript writes it; esbuild cannot).
import terser from "@rollup/plugin-terser";
import typescript from "@rollup/plugin-typescript";
import dts from "rollup-plugin-dts";

const MODULES = {
  index: "src/index.ts",
  all: "src/all.ts",
  hls: "src/adapters/hls.ts",
  dash: "src/adapters/dash.ts",
  shaka: "src/adapters/shaka.ts",
  videojs: "src/adapters/videojs.ts",
};
const BANNER = "/*! @qoescope/web, Apache-2.0 */";

const compiled = () => typescript({ compilerOptions: { declaration: false, declarationDir: undefined } });

// Each module stands alone, so that one may be copied; what they share is small.
const modules = Object.entries(MODULES).map(([name, input]) => ({
  input,
  plugins: [compiled()],
  output: { file: `dist/${name}.mjs`, format: "es", sourcemap: true, banner: BANNER, plugins: [terser({ ecma: 5, module: true })] },
}));

const script = {
  input: MODULES.all,
  plugins: [compiled()],
  output: {
    file: "dist/qoescope.js", format: "umd", name: "qoescope", sourcemap: true, banner: BANNER, plugins: [terser({ ecma: 5 })],
  },
};

const types = {
  input: MODULES,
  plugins: [dts()],
  output: { dir: "dist", format: "es", entryFileNames: "[name].d.ts", chunkFileNames: "shared.d.ts" },
};

// Served beside the script: one file, whose names are those of the global.
const scriptTypes = {
  input: MODULES.all,
  plugins: [dts()],
  output: { file: "dist/qoescope.d.ts", format: "es", banner: "export as namespace qoescope;" },
};

export default [...modules, script, types, scriptTypes];
