// Starts the viewer: light or dark as the browser wishes, and with nothing that asks
// another site.
"use strict";

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

window.SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#viewer",
  deepLinking: true,
  displayRequestDuration: true,
  // The badge of swagger.io, to which it would send the address of the document.
  validatorUrl: null,
  // A token ends with the page: it is kept in no storage of the browser.
  persistAuthorization: false,
  defaultModelsExpandDepth: 0,
});
