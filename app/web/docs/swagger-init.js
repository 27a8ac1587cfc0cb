// Starts Swagger UI. A file of its own, because the page's content policy allows no inline script.
window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "list",
  tryItOutEnabled: true,
  // Tokens are forgotten with the page: local storage is readable by every script of the origin.
  persistAuthorization: false,
  // The default sends the description to a public validator.
  validatorUrl: null,
  oauth2RedirectUrl: `${window.location.origin}/docs/oauth2-redirect`,
});
