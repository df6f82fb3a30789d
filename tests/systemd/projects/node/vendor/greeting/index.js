module.exports.to = whom => `hello, ${whom}`
