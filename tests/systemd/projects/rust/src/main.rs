include!(concat!(env!("OUT_DIR"), "/made.rs"));

fn main() {
    println!("{} {MADE}", greeting::to("cargo"));
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::process::Command;

    #[test]
    fn a_dependency() {
        assert_eq!(greeting::to("you"), "hello, you,");
    }

    #[test]
    fn a_server_on_localhost() {
        let server = TcpListener::bind("localhost:0").unwrap();
        let address = server.local_addr().unwrap();
        let thread = std::thread::spawn(move || server.accept().unwrap().0.write_all(b"hello").unwrap());
        let mut words = String::new();
        TcpStream::connect(address).unwrap().read_to_string(&mut words).unwrap();
        thread.join().unwrap();
        assert_eq!(words, "hello");
    }

    #[test]
    fn a_child_in_the_directory_for_temporary_files() {
        let path = std::env::temp_dir().join("words");
        std::fs::write(&path, "hello").unwrap();
        let said = Command::new("cat").arg(&path).output().unwrap();
        assert_eq!(said.stdout, b"hello");
    }
}
