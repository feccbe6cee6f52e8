// What the page's JavaScript has to keep to, and its unit tests with it. `tools/lint_page.py` runs it from the top folder.

import js from "@eslint/js";
import imports from "eslint-plugin-import-x";
import globals from "globals";

const PAGE = "src/stocktrack/web/page/**/*.js";
const TESTS = "tests/web/page/**/*.js";

export default [
  { ignores: ["**/vendor/**", "**/built/**"] },
  { linterOptions: { reportUnusedDisableDirectives: "error", reportUnusedInlineConfigs: "error" } },
  js.configs.recommended,
  {
    plugins: { imports },
    languageOptions: { ecmaVersion: 2022, sourceType: "module" },
    rules: {
      "array-callback-return": "error",
      "consistent-return": "error",
      "default-case-last": "error",
      // `== null` is the one comparison that means both null and undefined.
      eqeqeq: ["error", "always", { null: "ignore" }],
      "no-alert": "error",
      "no-console": "error",
      "no-constructor-return": "error",
      "no-eval": "error",
      "no-implicit-coercion": "error",
      "no-implicit-globals": "error",
      "no-implied-eval": "error",
      "no-loop-func": "error",
      "no-new-func": "error",
      "no-param-reassign": "error",
      "no-promise-executor-return": "error",
      "no-self-compare": "error",
      "no-shadow": "error",
      "no-template-curly-in-string": "error",
      "no-throw-literal": "error",
      "no-undef-init": "error",
      "no-unreachable-loop": "error",
      "no-unused-expressions": "error",
      "no-use-before-define": ["error", { functions: false, classes: false, variables: false }],
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      "imports/first": "error",
      "imports/named": "error",
      "imports/no-cycle": "error",
      "imports/no-duplicates": "error",
      "imports/no-mutable-exports": "error",
      "imports/no-self-import": "error",
      "imports/no-unresolved": "error",
    },
  },
  { files: [PAGE], languageOptions: { globals: globals.browser } },
  { files: [TESTS], languageOptions: { globals: globals.node } },
];
