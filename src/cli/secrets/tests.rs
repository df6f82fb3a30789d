use super::*;

#[test]
fn drop_ins_say_where_a_secret_is() {
    let own = "# /usr/lib/systemd/system/pilotlight.service\n[Service]\nLoadCredential=github-token\n";
    let table = [
        ("", None),
        ("LoadCredential=github-token-2:/x", None),
        ("#LoadCredential=github-token:/x", None),
        ("LoadCredential=webhook-secret:/x", None),
        ("LoadCredential=github-token:/x", Some(DropIn::File("/x".into()))),
        (" LoadCredentialEncrypted=github-token:/x\n", Some(DropIn::EncryptedFile("/x".into()))),
        ("LoadCredential=github-token:/x\nLoadCredential=github-token:/y", Some(DropIn::File("/y".into()))),
        ("LoadCredential=github-token:from-the-host", Some(DropIn::Otherwise)),
        ("LoadCredentialEncrypted=github-token", Some(DropIn::Otherwise)),
        ("SetCredential=github-token:/is/no/path", Some(DropIn::Otherwise)),
    ];
    for (added, said) in table {
        assert_eq!(drop_in(&format!("{own}{added}"), TOKEN), said, "{added}");
    }
}
